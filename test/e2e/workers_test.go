//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A worker runs no etcd; its store's port and its agent do all the same that a
// member's do, its API answers of its own units alone, and its certificate is worth
// no more in the store than the machine. The cluster is a second one beside the first.
func TestWorker(t *testing.T) {
	five := local{argosy: cluster.argosy, name: "five"}
	t.Cleanup(func() { five.do(t, "down") })
	five.do(t, "up", "--machines", "5")
	const worker = "core-05"
	if out := five.shell(t, worker, "systemctl is-active etcd"); strings.TrimSpace(out.stdout) == "active" {
		t.Fatalf("%s runs etcd: it is a member", worker)
	}
	if got := strings.TrimSpace(five.must(t, worker, "etcdctl put from worker >/dev/null; etcdctl get --print-value-only from")); got != "worker" {
		t.Errorf("a worker's etcdctl: %q", got)
	}
	if out := five.shell(t, worker, "fleetctl list-machines"); out.code == 0 || !strings.Contains(out.stderr, worker+" is no member of the cluster") {
		t.Errorf("a worker's fleetctl: %+v", out)
	}
	id := strings.TrimSpace(five.must(t, worker, "cat /etc/machine-id"))
	five.write(t, "core-01", "/home/core/here.service", sleeper+"\n[X-Fleet]\nMachineID="+id+"\n")
	five.must(t, "core-01", "fleetctl start here.service && fleetctl status here.service && fleetctl journal here.service")
	five.workerIsWorthItself(t, worker, id)
	five.must(t, "core-01", "fleetctl destroy here.service")

	// Lost, a worker's instance has nowhere to go: each machine runs one. Back, it
	// has it again.
	five.do(t, "chaos", "kill", worker)
	eventually(t, time.Minute, func() error { return five.counts(t, "core-01", "list-machines", 4) })
	five.do(t, "chaos", "start", worker)
	eventually(t, time.Minute, func() error { return five.counts(t, "core-01", "list-machines", 5) })
	eventually(t, time.Minute, func() error { return five.counts(t, "core-01", "list-units", 5) })
}

// workerIsWorthItself asks a member for all sorts of things with a worker's
// certificate, while here.service is placed there.
func (c local) workerIsWorthItself(t *testing.T, worker, id string) {
	t.Helper()
	const own = "/etc/argosy/pki/"
	store := "sudo etcdctl --command-timeout=10s --endpoints=https://10.99.0.11:2379 --cacert=" + own + "ca.crt --cert=" + own + "machine.crt --key=" + own + "machine.key "
	api := "sudo curl -sS --cacert " + own + "ca.crt --cert " + own + "machine.crt --key " + own + "machine.key https://10.99.0.11:49153/fleet/v2"
	member := strings.TrimSpace(c.must(t, "core-01", "cat /etc/machine-id"))
	hash := strings.TrimSpace(c.must(t, "core-01", "fleetctl list-unit-files --no-legend --full --fields=unit,hash | awk '$1 == \"here.service\" { print $2 }'"))
	other := strings.TrimSpace(c.must(t, "core-01", "printf 'of nobody' | sha1sum | cut -d' ' -f1"))
	const facts = "/argosy/v1/"
	for line, want := range map[string]string{
		store + "get --prefix --keys-only " + facts + "placements/" + id + "/":            facts + "placements/" + id + "/here.service",
		store + "get --print-value-only " + facts + "machines/" + id:                      worker,
		store + "get --prefix --keys-only " + facts + "states/" + id + "/":                facts + "states/" + id + "/here.service",
		store + "put " + facts + "states/" + id + "/x.service '{\"unit\":\"x.service\"}'": "OK",
		store + "del " + facts + "states/" + id + "/x.service":                            "1",
		store + "member list":     "core-01",
		api + "/contents/" + hash: "MachineID=" + id,
	} {
		if out := c.shell(t, worker, line); out.code != 0 || !strings.Contains(out.stdout, want) {
			t.Errorf("%s $ %s\nexit %d, expected %s\n%s%s", worker, line, out.code, want, out.stdout, out.stderr)
		}
	}
	lease := c.must(t, "core-01", "printf %x $(sudo cat /run/fleet/lease)")
	for line, want := range map[string]string{
		store + "get --prefix /":                                           "may not read the keys",
		store + "get --prefix " + facts + "units/":                         "may not read the keys",
		store + "get --prefix " + facts + "contents/":                      "may not read the keys",
		store + "get --prefix " + facts + "people/":                        "may not read the keys",
		store + "get --prefix " + facts + "placements/":                    "may not read the keys",
		store + "watch --prefix " + facts + "placements/" + member + "/":   "may not read the keys",
		store + "get " + facts + "machines/" + member:                      "may not read key",
		store + "put " + facts + "placements/" + id + "/x.service '{}'":    "may not write key",
		store + "put " + facts + "states/" + member + "/here.service '{}'": "may not write key",
		store + "put " + facts + "leader '{}'":                             "may not write key",
		store + "put message hello":                                        "may not write key",
		store + "lease list":                                               "may not call",
		store + "lease revoke " + lease:                                    "none of its own",
		store + "lease grant 60":                                           "none of its own",
		store + "lock mine true":                                           "none of its own",
		store + "snapshot save /tmp/x":                                     "may not call",
		store + "user list":                                                "may not call",
		store + "user add mallory:x":                                       "may not call",
		store + "auth disable":                                             "may not call",
		store + "member remove 1":                                          "may not call",
		store + "compaction 1":                                             "may not call",
		api + "/contents/" + other + " >&2; false":                         "is placed on machine " + id,
		api + "/units >&2; false":                                          "may not read",
		api + "/machines >&2; false":                                       "may not read",
		api + "/units/here.service -X DELETE >&2; false":                   "may not change",
		api + "/secrets/x?unit=here.service >&2; false":                    "here.service",
	} {
		if out := c.shell(t, worker, line); out.code == 0 || !strings.Contains(out.stderr, want) {
			t.Errorf("%s $ %s\nexit %d, expected %s\n%s%s", worker, line, out.code, want, out.stdout, out.stderr)
		}
	}
}

// counts says whether one of fleetctl's lists has so many rows.
func (c local) counts(t *testing.T, from, list string, rows int) error {
	t.Helper()
	out := c.shell(t, from, "fleetctl "+list+" --no-legend")
	if got := strings.Count(out.stdout, "\n"); out.code != 0 || got != rows {
		return fmt.Errorf("%s on %s has %d rows, expected %d:\n%s%s", list, from, got, rows, out.stdout, out.stderr)
	}
	return nil
}
