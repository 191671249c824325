//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A machine whose certificates are stolen is put out with all that it has open, and
// joins again; then the authority is replaced while a unit and a watch live on.
func TestRevokeAndRotate(t *testing.T) {
	passed := stages(t)
	four := blank(t)
	passed("four machines")
	invited := joinLine.FindAllStringSubmatch(four.must(t, "core-01", "sudo argosy init"), -1)
	worker, member := invited[0][1], invited[1][1]
	four.must(t, "core-02", "sudo "+member)
	four.must(t, "core-03", "sudo "+member)
	four.must(t, "core-04", "sudo "+worker)
	passed("joined")
	four.revokes(t)
	passed("revoked")
	four.must(t, "core-04", wipe)
	four.must(t, "core-04", "sudo "+worker)
	eventually(t, time.Minute, func() error { return four.counts(t, "core-01", "list-machines", 4) })
	if out := four.must(t, "core-04", "etcdctl put back again"); out != "OK\n" {
		t.Errorf("joined again: %q", out)
	}
	passed("joined again")
	four.rotates(t)
	passed("rotated")
}

// revokes: what a worker has open ends, and it gets in nowhere.
func (c local) revokes(t *testing.T) {
	c.must(t, "core-04", "nohup etcdctl watch news >watched 2>&1 & "+
		"nohup etcdctl lock held >locked 2>&1 & echo $! >/dev/null")
	eventually(t, 30*time.Second, func() error {
		if out := c.shell(t, "core-04", "etcdctl put news early >/dev/null; cat watched locked"); !strings.Contains(out.stdout, "early") || !strings.Contains(out.stdout, "held/") {
			return fmt.Errorf("%+v", out)
		}
		return nil
	})
	if out := c.shell(t, "core-01", "sudo argosy ca revoke core-09"); out.code == 0 || !strings.Contains(out.stderr, `no machine of the cluster and no person is called "core-09"`) {
		t.Errorf("nobody is revoked: %+v", out)
	}
	if out := c.shell(t, "core-01", "sudo argosy ca revoke core-01"); out.code == 0 || !strings.Contains(out.stderr, "this is the machine itself: do it on another member") {
		t.Errorf("a member revokes itself: %+v", out)
	}
	if out := c.shell(t, "core-04", "sudo argosy ca revoke core-01"); out.code == 0 || !strings.Contains(out.stderr, "this machine is no member") {
		t.Errorf("a worker revokes a member: %+v", out)
	}
	id := strings.TrimSpace(c.must(t, "core-04", "cat /etc/machine-id"))
	if out := c.must(t, "core-01", "sudo argosy ca revoke core-04"); out != "The certificates of machine/"+id+" are refused from now on.\n" {
		t.Errorf("revoke printed %q", out)
	}
	began := time.Now()
	eventually(t, 10*time.Second, func() error {
		if out := c.shell(t, "core-04", "ETCDCTL_COMMAND_TIMEOUT=1s etcdctl put in still"); out.code == 0 {
			return fmt.Errorf("it writes: %+v", out)
		}
		return nil
	})
	eventually(t, 10*time.Second, func() error { return c.counts(t, "core-01", "list-machines", 3) })
	t.Logf("out %s after the command", time.Since(began))
	c.must(t, "core-01", "etcdctl put news late")
	// The lock's lease is kept by nobody: another gets the lock.
	c.must(t, "core-01", "timeout 90 etcdctl lock held true")
	if out := c.shell(t, "core-04", "cat watched"); strings.Contains(out.stdout, "late") {
		t.Errorf("its watch went on: %+v", out)
	}
	if out := c.shell(t, "core-04", "sudo systemctl restart fleet; ETCDCTL_COMMAND_TIMEOUT=1s etcdctl get news"); strings.Contains(out.stdout, "late") {
		t.Errorf("it reads: %+v", out)
	}
	if err := c.counts(t, "core-01", "list-machines", 3); err != nil {
		t.Error(err)
	}
}

// rotates: another authority takes the place of the one that signs.
func (c local) rotates(t *testing.T) {
	c.write(t, "core-01", "/home/core/here.service", sleeper+"\n[X-Fleet]\nMachineID="+strings.TrimSpace(c.must(t, "core-04", "cat /etc/machine-id"))+"\n")
	c.must(t, "core-01", "fleetctl start here.service")
	since := "systemctl show -P ExecMainStartTimestampMonotonic here.service etcd-endpoint.service"
	began := c.must(t, "core-04", since)
	c.must(t, "core-04", "nohup etcdctl watch facts >facts 2>&1 & echo $! >/dev/null")
	if out := c.shell(t, "core-01", "sudo argosy ca rotate --finish"); out.code == 0 || !strings.Contains(out.stderr, "one authority is trusted, and no other is to take its place") {
		t.Errorf("an end without a beginning: %+v", out)
	}
	former, formerPeers := c.issuers(t, "core-01", false)[0], c.issuers(t, "core-01", true)[0]
	c.must(t, "core-01", "sudo cp -r /etc/argosy/pki /root/stolen")
	start := time.Now()
	if out := c.must(t, "core-02", "sudo argosy ca rotate"); out != "The new authority signs. The former one is trusted until `argosy ca rotate --finish`.\n" {
		t.Errorf("rotate printed %q", out)
	}
	t.Logf("rotated after %s", time.Since(start))
	newest, newestPeers := c.issuers(t, "core-02", false)[0], c.issuers(t, "core-02", true)[0]
	for _, machine := range allFour {
		c.goesBy(t, machine, false, newest, former, newest, newest)
	}
	for _, machine := range allFour[:3] {
		c.goesBy(t, machine, true, newestPeers, formerPeers, newestPeers)
	}
	c.usesTheStolen(t)
	start = time.Now()
	if out := c.must(t, "core-03", "sudo argosy ca rotate --finish"); out != "The former authority is not trusted any more: all machines know.\n" {
		t.Errorf("the end printed %q", out)
	}
	t.Logf("ended after %s", time.Since(start))
	for _, machine := range allFour {
		c.goesBy(t, machine, false, newest, newest, newest)
	}
	for _, machine := range allFour[:3] {
		c.goesBy(t, machine, true, newestPeers, newestPeers)
	}
	c.stolenIsWorthless(t)
	eventually(t, time.Minute, func() error { return c.counts(t, "core-01", "list-machines", 4) })
	c.must(t, "core-01", "etcdctl put facts new")
	eventually(t, 30*time.Second, func() error {
		if got := c.shell(t, "core-04", "cat facts").stdout; got != "PUT\nfacts\nnew\n" {
			return fmt.Errorf("the watch saw %q", got)
		}
		return nil
	})
	if now := c.must(t, "core-04", since); now != began {
		t.Errorf("something was started again: %s, before %s", now, began)
	}
}

// issuers are the authorities that a machine goes by, or a member goes by towards its
// peers, and behind them those that have issued its certificates, in order.
func (c local) issuers(t *testing.T, machine string, peers bool) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(c.must(t, machine, "sudo argosy ca status")) {
		words := strings.Fields(line)
		ofPeers := words[0] == "peer" || strings.Contains(line, "the store's members")
		if by := words[len(words)-1]; strings.HasPrefix(by, "sha256:") && ofPeers == peers {
			all = append(all, by)
		}
	}
	return all
}

// goesBy: the command has come back, so that at most the renewal of what is beside a
// machine's own certificate is left.
func (c local) goesBy(t *testing.T, machine string, peers bool, want ...string) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		if got := c.issuers(t, machine, peers); strings.Join(got, " ") != strings.Join(want, " ") {
			return fmt.Errorf("%s has %s, want %s", machine, got, want)
		}
		return nil
	})
}

// asPeer asks a member at its peers' port with the certificate of before.
func (c local) asPeer(t *testing.T, at string) outcome {
	return c.shell(t, "core-01", "sudo curl -sS --http1.1 --max-time 5 --cacert /root/stolen/peers.crt --cert /root/stolen/peer.crt --key /root/stolen/peer.key https://"+at+":2380/version")
}

var threeMembers = []string{"10.99.0.11", "10.99.0.12", "10.99.0.13"}

// usesTheStolen: the certificates of before are good until the end, and a watch is open
// with one of them at each member.
func (c local) usesTheStolen(t *testing.T) {
	t.Helper()
	c.must(t, "core-01", "sudo cp /etc/argosy/pki/ca.crt /root/stolen/ca.crt; sudo cp /etc/argosy/pki/peer-ca.crt /root/stolen/peers.crt")
	for _, at := range threeMembers {
		if out := c.asPeer(t, at); out.code != 0 || !strings.Contains(out.stdout, "etcdserver") {
			t.Errorf("the peers' port of %s: %+v", at, out)
		}
		c.must(t, "core-01", "sudo sh -c 'cd /root/stolen; nohup etcdctl --endpoints https://"+at+":2379 --cacert ca.crt --cert local.crt --key local.key watch loot >"+at+" 2>&1 & echo $! >/dev/null'")
		eventually(t, 30*time.Second, func() error {
			if out := c.shell(t, "core-01", "etcdctl put loot early >/dev/null; sudo cat /root/stolen/"+at); !strings.Contains(out.stdout, "early") {
				return fmt.Errorf("the watch at %s: %+v", at, out)
			}
			return nil
		})
	}
}

// stolenIsWorthless: they open nothing after it, and what they had open has ended.
func (c local) stolenIsWorthless(t *testing.T) {
	t.Helper()
	c.must(t, "core-01", "etcdctl put loot late")
	for _, at := range threeMembers {
		if out := c.asPeer(t, at); out.code == 0 || !strings.Contains(out.stderr, "unknown ca") && !strings.Contains(out.stderr, "unknown CA") {
			t.Errorf("the peers' port of %s: %+v", at, out)
		}
		if out := c.shell(t, "core-01", "sudo cat /root/stolen/"+at); strings.Contains(out.stdout, "late") {
			t.Errorf("the watch at %s went on: %+v", at, out)
		}
	}
	c.must(t, "core-01", "sudo sh -c 'pkill -x etcdctl; rm -rf /root/stolen'")
}
