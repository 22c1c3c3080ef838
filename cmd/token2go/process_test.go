package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// The test program is token2go and the browser, too: as processes of their own, under
// the race detector where the tests run under it.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"token2go": main,
		"browser":  pretendBrowser,
	})
}

type tests struct{ *testing.M }

// Run catches SIGHUP, so that the programs which the tests start do not inherit that it is
// ignored, as under nohup: token2go would leave it ignored.
func (t tests) Run() int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	return t.M.Run()
}

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = process.Soon

func TestScripts(t *testing.T) { runScripts(t, "testdata/script", t2gtest.Options{}) }

// Tokens that live for seconds, which the gateway renews when most of that is over.
func TestRenewalScripts(t *testing.T) {
	process.Slow(t)
	runScripts(t, "testdata/renewal", t2gtest.Options{Demo: func(o *demo.Options) {
		o.Lifetime, o.Renew = 8*time.Second, 6*time.Second
	}})
}

func runScripts(t *testing.T, folder string, options t2gtest.Options) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			return setUpScript(e, t2gtest.Start(e.T().(testing.TB), options)) //nolint:forcetypeassert // testscript's own is one
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tabs":  tabs,
			"mode":  mode,
			"exits": exits,
		},
	})
}

// setUpScript gives a script a server behind a gateway, a browser that signs in, and
// folders of its own.
func setUpScript(e *testscript.Env, server *t2gtest.Server) error {
	home := filepath.Join(e.WorkDir, "home")
	runtime := filepath.Join(e.WorkDir, "runtime")
	nothing := filepath.Join(e.WorkDir, "nothing")
	program, err := exec.LookPath("token2go")
	if err != nil {
		return err
	}
	for _, folder := range []string{home, runtime, nothing} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	e.Vars = append(e.Vars,
		"SERVER="+server.Gateway, "DIRECT="+server.Direct, "HOST="+strings.TrimPrefix(server.Gateway, "http://"),
		"HOME="+home, "XDG_RUNTIME_DIR="+runtime, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"),
		"BROWSER=browser", "TABS="+filepath.Join(e.WorkDir, "tabs"), "NOTHING="+nothing, "TOKEN2GO="+program, "DISPLAY=:0",
		"CACHE="+filepath.Join(runtime, "token2go"), "GORACE="+os.Getenv("GORACE"),
	)
	return nil
}

// tabs N: that many addresses were opened so far.
func tabs(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) != 1 {
		ts.Fatalf("usage: tabs N")
	}
	text, err := os.ReadFile(ts.Getenv("TABS"))
	if err != nil && !os.IsNotExist(err) {
		ts.Fatalf("%v", err)
	}
	if got := strings.Count(string(text), "\n"); arguments[0] != strconv.Itoa(got) {
		ts.Fatalf("got %d tabs, want %s:\n%s", got, arguments[0], text)
	}
}

// mode BITS PATH: a file or a folder has that mode.
func mode(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) != 2 {
		ts.Fatalf("usage: mode BITS PATH")
	}
	info, err := os.Stat(ts.MkAbs(arguments[1]))
	if err != nil {
		ts.Fatalf("%v", err)
	}
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != arguments[0] {
		ts.Fatalf("%s: got mode %s, want %s", arguments[1], got, arguments[0])
	}
}

// exits CODE PROGRAM ARGUMENT...: a program ends with that exit code.
func exits(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	code := 0
	err := ts.Exec(arguments[1], arguments[2:]...)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if arguments[0] != strconv.Itoa(code) {
		ts.Fatalf("got exit code %d, want %s", code, arguments[0])
	}
}
