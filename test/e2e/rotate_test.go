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
	four := blank(t)
	invited := joinLine.FindAllStringSubmatch(four.must(t, "core-01", "sudo argosy init"), -1)
	worker, member := invited[0][1], invited[1][1]
	four.must(t, "core-02", "sudo "+member)
	four.must(t, "core-03", "sudo "+member)
	four.must(t, "core-04", "sudo "+worker)
	four.revokes(t)
	four.must(t, "core-04", wipe)
	four.must(t, "core-04", "sudo "+worker)
	eventually(t, time.Minute, func() error { return four.counts(t, "core-01", "list-machines", 4) })
	if out := four.must(t, "core-04", "etcdctl put back again"); out != "OK\n" {
		t.Errorf("joined again: %q", out)
	}
	four.rotates(t)
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
	// Of each certificate, in order, the authority.
	issuers := func(machine string) []string {
		var all []string
		for line := range strings.Lines(c.must(t, machine, "sudo argosy ca status")) {
			if words := strings.Fields(line); strings.HasPrefix(words[len(words)-1], "sha256:") && words[0] != "peer" && !strings.Contains(line, "the store's members") {
				all = append(all, words[len(words)-1])
			}
		}
		return all
	}
	former := issuers("core-01")[0]
	if out := c.must(t, "core-02", "sudo argosy ca rotate"); out != "The new authority signs. The former one is trusted until `argosy ca rotate --finish`.\n" {
		t.Errorf("rotate printed %q", out)
	}
	newest := issuers("core-02")[0]
	for _, machine := range allFour {
		eventually(t, time.Minute, func() error {
			if got := issuers(machine); strings.Join(got, " ") != strings.Join([]string{newest, former, newest, newest}, " ") {
				return fmt.Errorf("%s has %s", machine, got)
			}
			return nil
		})
	}
	c.must(t, "core-03", "sudo argosy ca rotate --finish")
	for _, machine := range allFour {
		eventually(t, 4*time.Minute, func() error {
			if got := issuers(machine); strings.Join(got, " ") != strings.Join([]string{newest, newest, newest}, " ") {
				return fmt.Errorf("%s has %s", machine, got)
			}
			return nil
		})
	}
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
