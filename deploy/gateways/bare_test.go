package gateways_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// asBare makes this test program be a bare upstream, which says the two answers that are
// written down in the folder that it names and listens where a third file says.
const asBare = "TOKEN2GO_TEST_AS_BARE"

// bare is a chain whose server does nothing but say what the other's server has said.
func bare(b *testing.B, other *chain, flow string) *chain {
	b.Helper()
	s := newChain(b, other.gateway)
	s.server = "127.0.0.1:" + process.Port(b)
	s.write(b, "address", s.server)
	s.write(b, "token", string(other.rawAnswer(b, "/token")))
	s.write(b, "flow", string(other.rawAnswer(b, flow)))
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asBare+"="+s.folder)
	s.running.server = c
	s.await(b, s.run(b, c, s.lines), s.serves)
	s.startGateway(b)
	return s
}

// rawAnswer returns an answer of the server itself, as it is on the wire.
func (s *chain) rawAnswer(b *testing.B, path string) []byte {
	b.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+s.server+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set(s.header, s.token(b, s.signedIn(b)).Secret)
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	var wire bytes.Buffer
	if err := answer.Write(&wire); err != nil {
		b.Fatal(err)
	}
	return wire.Bytes()
}

// serveBare checks nothing, logs nothing and counts nothing. Of other paths it says nothing.
func serveBare(folder string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	for path, name := range map[string]string{"/token": "token", "/flow/redirect/token": "flow"} {
		answer, err := replay(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		mux.Handle(path, answer)
	}
	address, err := os.ReadFile(filepath.Join(folder, "address"))
	if err != nil {
		return err
	}
	return http.ListenAndServe(string(address), mux)
}

// replay says an answer that is written down.
func replay(path string) (http.HandlerFunc, error) {
	wire, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Header.Del("Date") // net/http sets it
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
	}, nil
}
