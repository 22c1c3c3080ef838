package gateways_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// oauth2Proxy is the program at a path, with the flags of its recipe. Sessions are not
// renewed: that would be the identity provider's load. Access tokens live for so long.
func oauth2Proxy(path string, life time.Duration) gateway {
	return gateway{
		"oauth2-proxy", path, "oauth2-proxy/README.md", "X-Forwarded-Access-Token", startOAuth2Proxy,
		func(s *chain, t testing.TB) string { return s.startProvider(t, life) },
	}
}

func startOAuth2Proxy(t testing.TB, s *chain, program string) *exec.Cmd {
	recipe := s.adaptRecipe(t,
		"--http-address=127.0.0.1:4180", "--http-address=- --https-address="+s.front+
			" --tls-cert-file="+s.folder+"/tls.pem --tls-key-file="+s.folder+"/tls.key",
		"https://id.example.org/realms/main", provider,
		"/etc/oauth2-proxy/client-secret", s.write(t, "client-secret", "for-tests-only"),
		"/etc/oauth2-proxy/cookie-secret", s.write(t, "cookie-secret", "for-tests-only-0123456789abcdefg"),
		"--cookie-refresh=4m", "",
		"\\\n", " ", "'*'", "*",
	)
	_, flags, _ := strings.Cut(recipe, "```sh\noauth2-proxy ")
	flags, _, _ = strings.Cut(flags, "\n")
	c := exec.Command(program, strings.Fields(flags)...)
	c.Env = []string{"HTTP_PROXY=http://" + s.authority}
	// It writes a line for each request, on standard output; what is wrong, on the other.
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nowhere.Close() })
	c.Stdout = nowhere
	return c
}
