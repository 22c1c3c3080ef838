//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestLogFormatIsTextOnTerminal(t *testing.T) {
	t.Parallel()
	outside, terminal := process.Terminal(t)
	h := recordTo(t, terminal)
	_ = terminal.Close()
	var seen bytes.Buffer
	for !strings.Contains(seen.String(), "listener=ops") {
		part := make([]byte, 4096)
		n, err := outside.Read(part)
		if err != nil {
			t.Fatalf("%v after %s", err, &seen)
		}
		seen.Write(part[:n])
		if strings.Contains(seen.String(), "{") {
			t.Fatalf("got %s, want text", &seen)
		}
	}
	if want := "level=INFO msg=serving listener=gateway address=" + h.gateway; !strings.Contains(seen.String(), want) {
		t.Errorf("got %s, want %s", &seen, want)
	}
}
