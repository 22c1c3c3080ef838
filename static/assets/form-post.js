// Posts the answer to the program that asked. Going back does not post it again: the
// program took the answer once and no longer listens.
const form = document.querySelector("[data-id=handover]");

addEventListener("pageshow", (event) => {
  const [navigation] = performance.getEntriesByType("navigation");
  if (event.persisted || navigation?.type === "back_forward") return;
  form.submit();
});
