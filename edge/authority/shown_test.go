package authority

import (
	"crypto/tls"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/cluster"
)

// TestShownBy asks servers of one authority: who they are counts, not that it knows
// them.
func TestShownBy(t *testing.T) {
	const one, two = "11111111111111111111111111111111", "22222222222222222222222222222222"
	a, _ := create(t)
	client, err := LoadClient(issued(t, a, two, access.Worker))
	if err != nil {
		t.Fatal(err)
	}
	machine := func(id cluster.MachineID) func(*tls.Config) *tls.Config {
		return func(c *tls.Config) *tls.Config { return ByMachine(c, id) }
	}
	for name, test := range map[string]struct {
		name     string
		kind     access.Kind
		expected func(*tls.Config) *tls.Config
		refusal  string
	}{
		"a member":                {one, access.Member, ByMember, ""},
		"a worker as a member":    {one, access.Worker, ByMember, "its certificate is that of worker " + one + ", not of a member"},
		"a machine":               {one, access.Worker, machine(one), ""},
		"another machine":         {two, access.Member, machine(one), "its certificate is that of member " + two + ", not of machine " + one},
		"a machine, and a member": {one, access.Worker, func(c *tls.Config) *tls.Config { return machine(one)(ByMember(c)) }, "not of a member"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := LoadServer(issued(t, a, test.name, test.kind))
			if err != nil {
				t.Fatal(err)
			}
			_, _, _, err = meet(t, server, test.expected(client))
			if test.refusal == "" && err != nil || test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)) {
				t.Errorf("met with %v, expected %q", err, test.refusal)
			}
		})
	}
}
