//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The key of secrets is replaced while a member is off, by a command that is killed and
// called again on another member: units run on and are given their value, on the member
// that was off too, and the key is in nothing that the store keeps.
func TestRekey(t *testing.T) {
	three := local{argosy: cluster.argosy, name: "rekeyed"}
	t.Cleanup(func() { three.do(t, "down") })
	three.do(t, "up")
	s := secretly{local: three, machines: []string{"core-01", "core-02", "core-03"}}
	s.write(t, "core-01", "/home/core/app.service", asking)
	s.set(t, "first-7c1e", "version 1", 0)
	s.set(t, "second-93fa", "version 2", 0)
	s.must(t, "core-01", "fleetctl start app.service")
	eventually(t, time.Minute, func() error { return s.running(t, "second-93fa") })

	former := s.keys(t, "core-01")
	if len(former) != 1 {
		t.Fatalf("at first there are the keys %q", former)
	}
	if out := s.shell(t, "core-01", "argosy secrets rekey"); out.code == 0 {
		t.Errorf("not root: %+v", out)
	}
	s.do(t, "chaos", "kill", "core-03")
	s.machines = s.machines[:2]
	s.must(t, "core-01", "sudo etcdctl --endpoints https://"+s.address(t, "core-01")+":2379"+with+"snapshot save /tmp/before")
	before := s.pids(t)
	eventually(t, time.Minute, func() error { return s.counts(t, "core-01", "list-machines", 2) })
	s.shell(t, "core-01", "sudo timeout -s KILL 0.3 argosy secrets rekey")
	s.must(t, "core-01", "printf third-2b8d | fleetctl secret set db-password")
	out := s.shell(t, "core-02", "sudo argosy secrets rekey")
	newest := s.keys(t, "core-02")
	if out.code != 0 || len(newest) != 1 || newest[0] == former[0] || !strings.HasPrefix(out.stdout, "All secrets are sealed with the key "+newest[0]+".") {
		t.Fatalf("%+v; keys %q, before %q", out, newest, former)
	}
	if after := s.pids(t); after != before {
		t.Errorf("processes %s, before %s", after, before)
	}
	s.sealedWith(t, "core-01", newest[0])

	s.do(t, "chaos", "start", "core-03")
	s.machines = append(s.machines, "core-03")
	eventually(t, 2*time.Minute, func() error { return s.sealsAt(t, "core-03", newest[0]) })
	// It is given the value by itself: a member asks nobody else.
	s.must(t, "core-03", "fleetctl restart app.service")
	eventually(t, time.Minute, func() error { return s.running(t, "third-2b8d") })
	s.must(t, "core-03", "fleetctl secret set db-password --from 1")
	s.sealedWith(t, "core-03", newest[0])
	s.keyIsNowhere(t, former[0], newest[0])
}

// keys are the ids of a member's keys for secrets.
func (s *secretly) keys(t *testing.T, machine string) (ids []string) {
	t.Helper()
	for line := range strings.Lines(s.must(t, machine, "sudo grep -v '^#' /etc/argosy/pki/secrets.key")) {
		ids = append(ids, strings.Fields(line)[0])
	}
	return ids
}

// sealsAt says whether a member has this key alone.
func (s *secretly) sealsAt(t *testing.T, machine, key string) error {
	t.Helper()
	if out := s.shell(t, machine, "sudo grep -v '^#' /etc/argosy/pki/secrets.key | cut -d ' ' -f 1"); out.stdout != key+"\n" {
		return fmt.Errorf("%s has the keys %q, expected %s: %s", machine, out.stdout, key, out.stderr)
	}
	return nil
}

// sealedWith says which key every kept version is sealed with.
func (s *secretly) sealedWith(t *testing.T, machine, key string) {
	t.Helper()
	if got := s.must(t, machine, "fleetctl secret list --no-legend --fields name,keys"); strings.Join(strings.Fields(got), " ") != "db-password "+key {
		t.Errorf("sealed with %q, expected %s", got, key)
	}
}

// keyIsNowhere: no member's etcd has a key in clear, nor any log; a copy of the store that
// was made before is sealed with the former key still.
func (s *secretly) keyIsNowhere(t *testing.T, former, newest string) {
	line := s.must(t, "core-01", "sudo grep -v '^#' /etc/argosy/pki/secrets.key")
	secret := strings.Fields(line)[1]
	for _, machine := range s.machines {
		for _, look := range []string{"sudo grep -rlaF -e '" + secret + "' /var/lib/etcd /run/fleet /var/lib/fleet", "sudo journalctl -b --no-pager -u fleet -u etcd | grep -F -e '" + secret + "'"} {
			if out := s.shell(t, machine, look); out.stdout != "" || out.code > 1 {
				t.Errorf("%s: %+v", machine, out)
			}
		}
	}
	count := func(key string) string {
		return strings.TrimSpace(s.shell(t, "core-01", `sudo grep -caF '"key":"`+key+`"' /tmp/before`).stdout)
	}
	if old, fresh := count(former), count(newest); old == "0" || fresh != "0" {
		t.Errorf("in the copy of before %s lines name the former key, %s the newest", old, fresh)
	}
}
