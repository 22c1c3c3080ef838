package cli

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// execVersion is the version of the credential plugin protocol that every kubectl since
// 1.22 speaks.
const execVersion = "client.authentication.k8s.io/v1"

// execCredential is what a credential plugin is told and what it answers.
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

// ExecCredential answers kubectl, and whatever else speaks client-go's protocol for
// credential plugins.
func (e Env) ExecCredential(ctx context.Context, request Request) error {
	answer, err := e.execAnswer()
	if err != nil {
		return err
	}
	token, err := e.obtain(ctx, request)
	if err != nil {
		return err
	}
	answer.Status = &execStatus{Token: token.Reveal(), ExpirationTimestamp: token.Expiry.UTC().Truncate(time.Second)}
	return json.NewEncoder(e.Stdout).Encode(answer)
}

// execAnswer is an answer of the version that the caller speaks.
func (e Env) execAnswer() (execCredential, error) {
	answer := execCredential{APIVersion: execVersion, Kind: "ExecCredential"}
	said := e.Getenv("KUBERNETES_EXEC_INFO")
	if said == "" {
		return answer, nil // a person who looks what it prints
	}
	var asked execCredential
	if err := json.Unmarshal([]byte(said), &asked); err != nil || asked.Kind != answer.Kind {
		return answer, usage("KUBERNETES_EXEC_INFO holds no ExecCredential; exec-credential is for kubectl to call")
	}
	switch asked.APIVersion {
	case execVersion, strings.TrimSuffix(execVersion, "v1") + "v1beta1":
		answer.APIVersion = asked.APIVersion
		return answer, nil
	}
	return answer, usage("kubectl asks for %q; write apiVersion: %s into the kubeconfig", asked.APIVersion, execVersion)
}
