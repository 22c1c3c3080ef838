package token2go

import (
	"cmp"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

// Proxy returns the proxy that the environment names for a request: HTTPS_PROXY or
// HTTP_PROXY, else ALL_PROXY, unless NO_PROXY names the host. Of both spellings the
// lower-case one counts, as with curl. It is for http.Transport.Proxy.
func Proxy(r *http.Request) (*url.URL, error) { return proxyFor(r.URL, os.Getenv) }

func proxyFor(address *url.URL, getenv func(string) string) (*url.URL, error) {
	all := cmp.Or(getenv("all_proxy"), getenv("ALL_PROXY"))
	plain := getenv("http_proxy")
	if getenv("REQUEST_METHOD") == "" { // a CGI program's caller sets HTTP_PROXY
		plain = cmp.Or(plain, getenv("HTTP_PROXY"))
	}
	config := httpproxy.Config{
		HTTPProxy:  cmp.Or(plain, all),
		HTTPSProxy: cmp.Or(getenv("https_proxy"), getenv("HTTPS_PROXY"), all),
		NoProxy:    cmp.Or(getenv("no_proxy"), getenv("NO_PROXY")),
	}
	return config.ProxyFunc()(address)
}
