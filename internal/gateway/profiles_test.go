package gateway_test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"

	"github.com/token2go/token2go/internal/ops"
)

// TestProfilesContainNoToken looks for a token in every profile while it is handed over
// again and again, and while a request that holds it waits for the rest of its body.
func TestProfilesContainNoToken(t *testing.T) {
	t.Parallel()
	token := newTestSecrets()["token"]
	server := openOps(t, func(o *ops.Options) { o.Pprof = true })
	waiting, err := net.Dial("tcp", strings.TrimPrefix(server.Direct, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	_, err = fmt.Fprintf(waiting, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Access-Token: %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 100\r\n\r\ndecision=",
		jweClient(t).path(), waiting.RemoteAddr(), token)
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan struct{})
	var handing sync.WaitGroup
	handing.Go(func() {
		for {
			select {
			case <-busy:
				return
			default:
				get(t, server.Client(), server.Direct+"/token", with(token)...)
			}
		}
	})
	t.Cleanup(func() { close(busy); handing.Wait() })
	paths := []string{"", "profile?seconds=1", "trace?seconds=1", "symbol", "heap?gc=1"}
	for _, profile := range pprof.Profiles() {
		for _, debug := range []string{"0", "1", "2", "%2B2"} {
			paths = append(paths, profile.Name()+"?debug="+debug)
		}
	}
	for _, path := range paths {
		want := http.StatusOK
		if strings.HasSuffix(path, "2") {
			want = http.StatusForbidden
		}
		answer, body := get(t, t2gtest.NewClient(t), server.Ops+"/debug/pprof/"+path)
		if answer.status != want {
			t.Errorf("%s: got %d, want %d", path, answer.status, want)
		}
		if part := within(body, token); part != "" {
			t.Errorf("%s shows %s of the token %s", path, part, token)
		}
	}
}

// within finds eight characters of a token in a profile: as they are, or as a word of
// memory in hexadecimal, the way a stack shows arguments. It returns "" if it finds none.
func within(profile, token string) string {
	if packed, err := gzip.NewReader(strings.NewReader(profile)); err == nil {
		if plain, err := io.ReadAll(packed); err == nil {
			profile = string(plain)
		}
	}
	for i := 0; i+8 <= len(token); i++ {
		part := token[i : i+8]
		word := fmt.Sprintf("%x", binary.LittleEndian.Uint64([]byte(part)))
		if strings.Contains(profile, part) || strings.Contains(profile, word) {
			return part
		}
	}
	return ""
}
