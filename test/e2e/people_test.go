//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// loginOn has somebody log in on a machine as core, there with nothing of the
// cluster's but what they were told.
func (c local) loginOn(t *testing.T, machine, name, more string) {
	t.Helper()
	line := strings.TrimSpace(c.must(t, "core-01", "argosy user add "+name+" "+more))
	if out := c.must(t, machine, line+" --context "+name); !strings.HasPrefix(out, "Logged in as "+name+": context "+name) {
		t.Fatalf("%s: %s", line, out)
	}
}

// answers waits until a command says what it must.
func (c local) answers(t *testing.T, machine, line string, code int, says string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		if out := c.shell(t, machine, line); out.code != code || !strings.Contains(out.stdout+out.stderr, says) {
			return fmt.Errorf("%s $ %s: %+v, want exit %d and %q", machine, line, out, code, says)
		}
		return nil
	})
}

// People on a worker, through its socket: each may what their role says, by the API,
// by fleet's own, and by etcd's keys; one who is put out is out within seconds, with
// what they had open.
func TestPeople(t *testing.T) {
	four := local{argosy: cluster.argosy, name: "people"}
	t.Cleanup(func() { four.do(t, "down") })
	four.do(t, "up", "--machines", "4", "--members", "3")
	const worker = "core-04"
	for _, unit := range []string{"web@.service", "db.service"} {
		four.write(t, "core-01", "/home/core/"+unit, sleeper)
	}
	four.must(t, "core-01", "fleetctl submit web@.service db.service")
	four.answers(t, worker, "fleetctl list-units", 1, "log in once")

	four.loginOn(t, worker, "otto", "--role operator --units 'web*'")
	four.loginOn(t, worker, "vera", "--role viewer")
	as := func(who, line string) string {
		return "fleetctl --context " + who + " --endpoint unix:///run/fleet.sock " + line
	}
	four.answers(t, worker, as("otto", "start web@1"), 0, "launched")
	four.answers(t, worker, as("otto", "start db"), 1, "otto may change units called web*, and not db.service")
	four.answers(t, worker, as("vera", "list-units"), 0, "web@1.service")
	four.answers(t, worker, as("vera", "destroy web@1"), 1, "vera is a viewer and may not change units")
	four.answers(t, worker, "argosy user list --context otto", 1, "otto is an operator and may not see or change who may do what")
	four.answers(t, worker, "argosy audit --context vera", 1, "vera is a viewer and may not")

	curl := func(who, rest string) string {
		pki := "~/.config/argosy/contexts/" + who + "/"
		return fmt.Sprintf("curl -sS -w ' %%{http_code}' --cacert %sca.crt --cert %sperson.crt --key %sperson.key %s", pki, pki, pki, rest)
	}
	// fleet's own API and etcd 2's keys, with a person's certificate.
	four.answers(t, worker, curl("otto", "-X DELETE https://10.99.0.11:49153/fleet/v1/units/db.service"), 0, "403")
	four.answers(t, worker, curl("vera", "-X DELETE https://10.99.0.11:49153/fleet/v1/units/web@1.service"), 0, "403")
	four.answers(t, worker, curl("vera", "https://10.99.0.11:49153/fleet/v1/machines"), 0, "200")
	four.answers(t, worker, curl("otto", "-X PUT https://10.99.0.11:2379/v2/keys/message -d value=hello"), 0, "201")
	four.answers(t, worker, curl("vera", "-X PUT https://10.99.0.11:2379/v2/keys/message -d value=bye"), 0, "403")
	four.answers(t, worker, curl("vera", "https://10.99.0.11:2379/v2/keys/message"), 0, "hello")

	// A journal that is followed, and a watch of etcd's, end with a revocation.
	ended := make(chan outcome, 2)
	go func() { ended <- four.shell(t, worker, "timeout 60 "+as("otto", "journal -f web@1")) }()
	go func() {
		ended <- four.shell(t, worker, "timeout 60 "+curl("otto", "'https://10.99.0.11:2379/v2/keys/message?wait=true'"))
	}()
	four.answers(t, "core-01", "sudo sh -c 'ss -Htn state established \"( sport = :2379 )\" | grep -c 10.99.0.14'", 0, "")
	four.must(t, "core-01", "argosy user revoke otto")
	began := time.Now()
	for range 2 {
		out := <-ended
		if out.code == 124 {
			t.Errorf("it went on for a minute: %+v", out)
		}
	}
	t.Logf("what was open has ended within %s", time.Since(began).Round(100*time.Millisecond))
	four.answers(t, worker, as("otto", "list-units"), 1, "the certificate of person otto is revoked")
	four.answers(t, worker, curl("otto", "https://10.99.0.11:2379/v2/keys/message"), 0, "403")
	four.answers(t, worker, as("vera", "list-units"), 0, "web@1.service")

	audit := four.must(t, "core-01", "argosy audit --json")
	for _, want := range []string{`"did":"set unit web@1.service"`, `"by":"vera","role":"viewer","from":"10.99.0.14"`, `"did":"revoke person otto"`, `DELETE /fleet/v1/units/db.service`} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit has no %s:\n%s", want, audit)
		}
	}
	// Local programs, operators and viewers neither see nor end it in the store.
	for _, line := range []string{"get --prefix /argosy/audit/", "del --prefix /argosy/"} {
		four.answers(t, worker, "etcdctl "+line, 1, "permission denied")
	}
}
