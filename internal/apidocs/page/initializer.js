// Swagger UI makes the path within a button a link, which keyboards and screen readers
// cannot tell from the button. The button leads to the same address.
const plainNames = ({ React }) => ({
  components: { DeepLink: ({ text }) => React.createElement("span", null, text) },
});

// Every address is relative to this page, so that any prefix in front of it holds.
SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [plainNames],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // The one POST is the answer to a question that only its own page can ask.
  supportedSubmitMethods: ["get"],
  // The document stays here: the validator would be another site.
  validatorUrl: null,
  // A gateway whose session has ended answers JSON readers with 401 and everyone else
  // with a redirect to another site, which looks like a broken network.
  requestInterceptor: (request) => {
    if (request.loadSpec) {
      request.headers.Accept = "application/json";
    }
    return request;
  },
});
