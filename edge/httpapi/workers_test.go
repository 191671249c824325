package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
)

// TestMembersTellOfAChange: a machine asks anew when a member says so, and when nobody
// else does.
func TestMembersTellOfAChange(t *testing.T) {
	p, m := newPKI(t), member(&fakeRegistry{})
	told := 0
	m.config.LookAgain = func() { told++ }
	at := "https://" + p.onTLS(m) + api.Base + "/cluster"
	if response, text := ask(t, p.clientFor(string(there), access.Member), "POST", at, ""); response.StatusCode != http.StatusNoContent || told != 1 {
		t.Errorf("a member: %d %s, told %d times", response.StatusCode, text, told)
	}
	for says, c := range map[string]*http.Client{
		"is no member: members alone tell others that the cluster has changed": p.clientFor(string(there), access.Worker),
		"alice may not ask this: machines ask it of each other":                p.clientFor("alice", access.Person),
	} {
		if response, text := ask(t, c, "POST", at, ""); response.StatusCode != http.StatusForbidden || !strings.Contains(text, says) {
			t.Errorf("%d %s, want %q", response.StatusCode, text, says)
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	m.config.LookAgain = nil
	if response, text := ask(t, p.clientFor(string(there), access.Member), "POST", at, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("where there is nothing to look for: %d %s", response.StatusCode, text)
	}
}
