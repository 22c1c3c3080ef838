package doctor

// What to change at which gateway. Each list is one subject; the caller puts the
// gateways first that seem to be in front.

func passTokenFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "Start it with `--pass-access-token`; it then sends X-Forwarded-Access-Token. `--session-cookie-minimal` must be off.", "--pass-access-token"},
		{nginx, "Behind `auth_request` only what `proxy_set_header` names arrives. Start oauth2-proxy with `--set-xauthrequest` and `--pass-access-token`, take its answer's X-Auth-Request-Access-Token by `auth_request_set`, and send it on as X-Access-Token.",
			"auth_request_set $access_token $upstream_http_x_auth_request_access_token;\nproxy_set_header X-Access-Token $access_token;"},
		{traefik, "Start oauth2-proxy with `--set-xauthrequest` and `--pass-access-token`, and list X-Auth-Request-Access-Token in `authResponseHeaders` of the `forwardAuth` middleware.",
			"forwardAuth:\n  address: http://127.0.0.1:4180/oauth2/auth\n  authResponseHeaders:\n    - X-Auth-Request-Access-Token"},
		{caddy, "Start oauth2-proxy with `--set-xauthrequest` and `--pass-access-token`, and list X-Auth-Request-Access-Token in `copy_headers` of `forward_auth`.",
			"forward_auth 127.0.0.1:4180 {\n\turi /oauth2/auth\n\tcopy_headers X-Auth-Request-Access-Token\n}"},
		{apache, "Set `OIDCPassClaimsAs` to `both` (the default): with `environment` or `none` mod_auth_openidc sends no `OIDC_access_token`. Or keep `environment` and pass the token with `RequestHeader set`.",
			"OIDCPassClaimsAs both\n# or, with OIDCPassClaimsAs environment:\nRequestHeader set X-Forwarded-Access-Token \"%{OIDC_access_token}e\""},
	}
}

// replaceFixes make a gateway replace what a client sends under that name.
func replaceFixes(name string) []Fix {
	return []Fix{
		{oauth2Proxy, "Do not set `--skip-auth-strip-headers=false`, nor `preserveRequestValue: true` in the alpha configuration. Both are measured to join the client's value and the token with a comma.",
			"--skip-auth-strip-headers=true\n# alpha configuration, at each of injectRequestHeaders:\npreserveRequestValue: false"},
		{nginx, "`proxy_set_header` replaces what the client sent.", "proxy_set_header " + name + " $access_token;"},
		{traefik, "A name listed in `authResponseHeaders` is replaced, and removed where the gateway sends none.", "authResponseHeaders:\n  - " + name},
		{caddy, "A name listed in `copy_headers` is replaced, and removed where the gateway sends none. From 2.10.0 until 2.11.2 Caddy did not remove it.", "copy_headers " + name},
		{apache, "Use `RequestHeader set`, not `add`, `append` or `merge`.", "RequestHeader set " + name + " \"%{OIDC_access_token}e\""},
	}
}

func renewFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "Let it renew the token before it ends: `--cookie-refresh` shorter than the token's life, and a refresh token from the identity provider (for many: the scope `offline_access`).", "--cookie-refresh=4m"},
		{nginx, "With `--cookie-refresh` at oauth2-proxy, hand the renewed session cookie to the browser.",
			"auth_request_set $auth_cookie $upstream_http_set_cookie;\nadd_header Set-Cookie $auth_cookie;"},
		{traefik, "With `--cookie-refresh` at oauth2-proxy, hand the renewed session cookie to the browser.", "addAuthCookiesToResponse:\n  - " + oauth2ProxyCookie},
		{caddy, "`forward_auth` does not hand a renewed session cookie to the browser. Let Caddy pass everything through oauth2-proxy, and that to this server.", "reverse_proxy 127.0.0.1:4180"},
		{apache, "Let mod_auth_openidc renew the token before it ends.", "OIDCRefreshAccessTokenBeforeExpiry 60"},
	}
}

func accessTokenFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "`--pass-access-token` sends the access token; `--pass-authorization-header` sends the ID token and can go unless another server wants it.", "--pass-access-token\n--pass-authorization-header=false"},
		{nginx, "Take the access token from oauth2-proxy's answer, not its Authorization header, which holds the ID token.",
			"auth_request_set $access_token $upstream_http_x_auth_request_access_token;\nproxy_set_header X-Access-Token $access_token;\nproxy_set_header Authorization \"\";"},
		{traefik, "List X-Auth-Request-Access-Token in `authResponseHeaders`, and not Authorization.", "authResponseHeaders:\n  - X-Auth-Request-Access-Token"},
		{caddy, "List X-Auth-Request-Access-Token in `copy_headers`, and not Authorization.", "copy_headers X-Auth-Request-Access-Token"},
		{apache, "Pass `OIDC_access_token`, not `OIDC_id_token`.", "OIDCPassIDTokenAs claims\nRequestHeader set X-Forwarded-Access-Token \"%{OIDC_access_token}e\""},
	}
}

func refreshTokenFixes() []Fix {
	return []Fix{
		{apache, "Switch it off.", "OIDCPassRefreshToken Off"},
		{nginx, "Remove the line that sends it.", "proxy_set_header OIDC_refresh_token \"\";"},
		{envoy, "Its OAuth2 filter keeps the tokens in cookies. Remove the cookies on the route to this server, which reads none.", "request_headers_to_remove: [cookie]"},
	}
}

// ownHeaderFixes keep a client from sending the token's header. trusted is the name of a
// header that the gateway sets.
func ownHeaderFixes(name, trusted string) []Fix {
	return []Fix{
		{ourselves, "Look only at the header that your gateway sets on every request.", "T2G_TOKEN_HEADER_NAMES=" + trusted},
		{oauth2Proxy, "With `--pass-access-token` it sets X-Forwarded-Access-Token and removes what a client sends under that name. It lets " + name + " through.", "--pass-access-token"},
		{nginx, "Set the header, or remove it.", "proxy_set_header " + name + " \"\";"},
		{traefik, "List the header in `authResponseHeaders`, or remove it with a headers middleware.", "headers:\n  customRequestHeaders:\n    " + name + ": \"\""},
		{caddy, "List the header in `copy_headers`, or remove it.", "request_header -" + name},
		{apache, "mod_auth_openidc guards only names that begin with `OIDC_`. Remove the header.", "RequestHeader unset " + name + " early"},
	}
}

func lookalikeFixes(came string) []Fix {
	return []Fix{
		{ourselves, "If it is your gateway that sends it, look at this name, too.", "T2G_ADD_TOKEN_HEADER_NAMES=" + came},
		{nginx, "Let names with underscores pass, where they come from a gateway that removes them from what clients send.", "underscores_in_headers on;"},
		{apache, "Send the token under a name without underscores.", "RequestHeader set X-Forwarded-Access-Token \"%{OIDC_access_token}e\""},
	}
}

func otherSchemeFixes(scheme string) []Fix {
	if scheme != "Basic" {
		return nil
	}
	return []Fix{
		{oauth2Proxy, "`--basic-auth-password` sends one password for everyone. Nothing here needs it.", "--basic-auth-password="},
		{nginx, "Remove the header where the gateway has used it.", "proxy_set_header Authorization \"\";"},
	}
}

func cookieFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "It always passes its cookie on. Only a proxy between it and this server could remove it.", ""},
		{nginx, "Send no cookies on; this server sets and reads none.", "proxy_set_header Cookie \"\";"},
		{traefik, "Remove the cookies with a headers middleware after `forwardAuth`; this server reads none.", "headers:\n  customRequestHeaders:\n    Cookie: \"\""},
		{caddy, "Send no cookies on; this server sets and reads none.", "reverse_proxy 127.0.0.1:8080 {\n\theader_up -Cookie\n}"},
		{apache, "Strip the session cookie.", "OIDCStripCookies " + apacheCookie},
	}
}

func ownHostFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "Run one for this server alone, with a redirect address on the new name.", "--redirect-url=https://token.example.org/oauth2/callback\n--upstream=http://127.0.0.1:8080/"},
		{nginx, "Give it a server block of its own.", "server {\n    server_name token.example.org;\n    location / { proxy_pass http://127.0.0.1:8080; }\n}"},
		{traefik, "Match by host, not by path.", "rule: Host(`token.example.org`)"},
		{caddy, "Give it a site block of its own.", "token.example.org {\n\treverse_proxy 127.0.0.1:8080\n}"},
		{apache, "Give it a virtual host of its own.", "<VirtualHost *:443>\n    ServerName token.example.org\n    ProxyPass / http://127.0.0.1:8080/\n</VirtualHost>"},
	}
}

func httpsFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "Serve https, here or in front of it.", "--https-address=:443\n--tls-cert-file=/etc/ssl/token.pem\n--tls-key-file=/etc/ssl/token.key\n--cookie-secure=true"},
		{nginx, "Serve https, and say so upstream.", "listen 443 ssl;\nproxy_set_header X-Forwarded-Proto $scheme;"},
		{traefik, "Send the plain entry point to the secure one.", "entryPoints:\n  web:\n    address: :80\n    http:\n      redirections:\n        entryPoint:\n          to: websecure\n          scheme: https\n  websecure:\n    address: :443"},
		{caddy, "A site address without `http://` is served over https.", "token.example.org {\n\treverse_proxy 127.0.0.1:4180\n}"},
		{apache, "Serve https, and say so upstream.", "SSLEngine on\nRequestHeader set X-Forwarded-Proto https"},
	}
}

func noGatewayFixes() []Fix {
	return []Fix{
		{ourselves, "Listen where only the gateway can connect, or name the addresses that may.", "T2G_SERVER_HOST=127.0.0.1\nT2G_GATEWAY_CIDRS=127.0.0.1/32,::1/128"},
		{oauth2Proxy, "Put it in front.", "--upstream=http://127.0.0.1:8080/\n--pass-access-token"},
	}
}

// smallSessionFixes keep the session out of the browser's cookies.
func smallSessionFixes() []Fix {
	return []Fix{
		{oauth2Proxy, "Keep sessions in Redis, so that the cookie holds no more than their name.", "--session-store-type=redis\n--redis-connection-url=redis://127.0.0.1:6379"},
		{apache, "Keep sessions on the server (the default), and strip the cookie.", "OIDCSessionType server-cache\nOIDCStripCookies " + apacheCookie},
	}
}

func headerSizeFixes() []Fix {
	return []Fix{
		{nginx, "Make room for requests, and for the answer of the sign-in, which sets the cookies.",
			"large_client_header_buffers 4 32k;\nproxy_buffer_size 32k;\nproxy_buffers 8 32k;\nproxy_busy_buffers_size 64k;"},
		{apache, "Make room for longer header lines.", "LimitRequestFieldSize 32768"},
	}
}

func redirectFixes() []Fix {
	return []Fix{
		{ourselves, "Use a client that lets the server choose between a redirect and a form: token2go, or `responseMode=auto`.", "responseMode=auto"},
		{nginx, "Make room for a long Location.", "proxy_buffer_size 32k;\nproxy_buffers 8 32k;\nproxy_busy_buffers_size 64k;"},
		{apache, "Make room for a long Location.", "ProxyPass / http://127.0.0.1:8080/ responsefieldsize=32768"},
	}
}
