package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
)

// TestPolicyHere: the machine's own file alone counts where there is one, good or bad;
// else the cluster's, and what it said last while it cannot be asked.
func TestPolicyHere(t *testing.T) {
	alice, bob := signingtest.New("alice").Key(), signingtest.New("bob").Key()
	says, away := signing.Policy{Keys: []signing.Key{alice}}, cluster.ErrUnavailable
	p := policyHere{file: filepath.Join(t.TempDir(), "policy"), log: slog.New(slog.DiscardHandler),
		ask: func(context.Context) (signing.Policy, error) { return says, away }}
	is := func(what string, want signing.Policy, wrong error) {
		t.Helper()
		if got, err := p.now(t.Context()); !errors.Is(err, wrong) || wrong == nil && !got.Same(want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", what, got, err, want, wrong)
		}
	}
	is("before anything was heard", signing.Policy{}, cluster.ErrUnavailable)
	away = nil
	is("as the cluster says", says, nil)
	says, away = signing.Policy{}, cluster.ErrUnavailable
	is("what it said last", signing.Policy{Keys: []signing.Key{alice}}, nil)
	away = nil
	is("as it says now", signing.Policy{}, nil)

	own := signing.Policy{Keys: []signing.Key{bob}, Digests: true}
	if err := os.WriteFile(p.file, []byte(own.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	is("the machine's own", own, nil)
	if err := os.WriteFile(p.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := p.now(t.Context()); err == nil {
		t.Errorf("an empty file of its own: %+v", got)
	}
}
