package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/atomicfile"
)

// execVersion is the version of the credential plugin protocol that kubectl supports
// since 1.22.
const execVersion = "client.authentication.k8s.io/v1"

// execCredential is what a credential plugin is asked and what it answers.
type execCredential struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Spec       struct{}    `json:"spec"`
	Status     *execStatus `json:"status,omitempty"`
}

type execStatus struct {
	Token               string    `json:"token"`
	ExpirationTimestamp time.Time `json:"expirationTimestamp,omitzero"`
}

// ExecCredential answers kubectl, and every other client of client-go's protocol for
// credential plugins.
//
// The protocol does not say that a token was refused: after a 401, client-go calls the
// plugin again before the token expires, and otherwise it does not. So a process that
// asks again for what it already has gets a new token.
func (e Env) ExecCredential(ctx context.Context, request Request) error {
	answer, err := e.execAnswer()
	if err != nil {
		return err
	}
	token, err := e.execToken(ctx, request)
	if err != nil {
		return err
	}
	answer.Status = &execStatus{Token: token.Reveal(), ExpirationTimestamp: token.Expiry.UTC().Truncate(time.Second)}
	return json.NewEncoder(e.Stdout).Encode(answer)
}

func (e Env) execToken(ctx context.Context, r Request) (token2go.Token, error) {
	folder, err := token2go.DefaultCacheDir()
	if err != nil || r.NoCache || r.Fresh {
		return e.obtain(ctx, r)
	}
	entry, err := r.cache().Load(r.Server)
	if err != nil {
		return e.obtain(ctx, r)
	}
	path := execRecordPath(filepath.Join(folder, runName), e.Getenv("KUBERNETES_EXEC_INFO"))
	last := readExecRecord(path)
	if !last.refused(entry, time.Now()) {
		token, err := e.obtain(ctx, r)
		if err == nil {
			last.Fingerprint = token.Fingerprint
			last.write(path)
		}
		return token, err
	}
	e.note(Event{Event: "note"}, "the token was probably refused, since it is asked for again; getting a new one")
	last.Renewed = time.Now()
	last.write(path)
	r.Fresh = true
	token, err := e.obtain(ctx, r)
	if err != nil {
		e.note(Event{Event: "warning"}, "no new token: %s", message(err))
		return entry.Token, nil
	}
	last.Fingerprint = token.Fingerprint
	last.write(path)
	return token, nil
}

// execRecord says what a process got from exec-credential.
type execRecord struct {
	Fingerprint string    `json:"fingerprint"`
	Renewed     time.Time `json:"renewed,omitzero"`
}

// refused reports whether the process that got a token before, and asks again, was
// refused it. A new one would fare no better than one that is not older than a minute,
// and one question in five minutes is enough.
func (r execRecord) refused(e token2go.Entry, now time.Time) bool {
	const young, again = time.Minute, 5 * time.Minute
	return e.Good(0) && r.Fingerprint == e.Token.Fingerprint && now.Sub(e.Obtained) > young && now.Sub(r.Renewed) > again
}

func readExecRecord(path string) (r execRecord) {
	if text, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(text, &r) // or it is nothing
	}
	return r
}

func (r execRecord) write(path string) {
	text, _ := json.Marshal(r) // texts and times cannot fail
	sweepExecRecords(filepath.Dir(path))
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		_ = atomicfile.Write(path, text, 0o600) // without it, a refused token is used until it expires
	}
}

const execPrefix = "exec-"

// execRecordPath names a record by the process that asks and by what it asks for.
func execRecordPath(folder, info string) string {
	parent := os.Getppid()
	sum := sha256.Sum256([]byte(strings.Join(append(os.Args, info, startOf(parent)), "\x00")))
	return filepath.Join(folder, fmt.Sprintf("%s%d-%x", execPrefix, parent, sum[:8]))
}

// sweepExecRecords removes the records of processes that have ended.
func sweepExecRecords(folder string) {
	records, _ := os.ReadDir(folder)
	for _, record := range records {
		text, is := strings.CutPrefix(record.Name(), execPrefix)
		text, _, _ = strings.Cut(text, "-")
		if process, err := strconv.Atoi(text); is && err == nil && !isRunning(process) {
			_ = os.Remove(filepath.Join(folder, record.Name()))
		}
	}
}

// execAnswer returns an answer of the version that the caller asks for.
func (e Env) execAnswer() (execCredential, error) {
	answer := execCredential{APIVersion: execVersion, Kind: "ExecCredential"}
	info := e.Getenv("KUBERNETES_EXEC_INFO")
	if info == "" {
		return answer, nil // a person who tries it out
	}
	var asked execCredential
	if err := json.Unmarshal([]byte(info), &asked); err != nil || asked.Kind != answer.Kind {
		return answer, usage("KUBERNETES_EXEC_INFO holds no ExecCredential; exec-credential is for kubectl to call")
	}
	switch asked.APIVersion {
	case execVersion, strings.TrimSuffix(execVersion, "v1") + "v1beta1":
		answer.APIVersion = asked.APIVersion
		return answer, nil
	}
	return answer, usage("kubectl asks for %q; write apiVersion: %s into the kubeconfig", asked.APIVersion, execVersion)
}
