//go:build machines

package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// asking runs where it is given a password that it likes, and takes a moment to start.
const asking = `[Service]
ExecStartPre=/usr/bin/sleep 0.5
ExecStartPre=/bin/sh -c '! grep -q wrong "$CREDENTIALS_DIRECTORY/password"'
ExecStart=/bin/sh -c 'sha256sum < "$CREDENTIALS_DIRECTORY/password"; exec sleep infinity'
Type=exec

[X-Fleet]
Secret=password:db-password
Global=true
`

// with is how root on a machine shows the machine's own certificate to curl and etcdctl.
const with = " --cacert /etc/argosy/pki/ca.crt --cert /etc/argosy/pki/machine.crt --key /etc/argosy/pki/machine.key "

// Secrets get to a member's and a worker's units, new versions one machine after
// another, and to nobody else: not to another unit or user, and into no text that
// people, logs, the store or backups keep. The cluster is one beside the others.
func TestSecrets(t *testing.T) {
	two := local{argosy: cluster.argosy, name: "sealed"}
	t.Cleanup(func() { two.do(t, "down") })
	two.do(t, "up", "--machines", "2", "--members", "1")
	s := secretly{local: two, machines: []string{"core-01", "core-02"}}

	s.write(t, "core-01", "/home/core/app.service", asking)
	if out := s.shell(t, "core-01", "fleetctl start app.service"); out.code != 3 || !strings.Contains(out.stderr, "app.service asks for the secret db-password, which is not there; fleetctl secret set db-password < FILE") {
		t.Errorf("a unit without its secret: %+v", out)
	}
	s.set(t, "first-7c1e", "version 1", 0)
	s.must(t, "core-01", "fleetctl start app.service")
	eventually(t, time.Minute, func() error { return s.running(t, "first-7c1e") })

	s.rolls(t)
	s.refuses(t)
	s.tellsNobody(t)

	// What runs outlives fleetd, and what was given is gone with the unit.
	before := s.pids(t)
	for _, machine := range s.machines {
		s.must(t, machine, "sudo systemctl restart fleet")
	}
	if after := s.pids(t); after != before {
		t.Errorf("with fleetd's restart: processes %s, before %s", after, before)
	}
	s.must(t, "core-01", "fleetctl destroy app.service && fleetctl secret rm db-password")
	for _, machine := range s.machines {
		eventually(t, time.Minute, func() error {
			if left := s.shell(t, machine, "sudo find /run/fleet/secrets /run/fleet/credentials /run/systemd/system -name 'app.service*'").stdout; left != "" {
				return fmt.Errorf("on %s there is left:\n%s", machine, left)
			}
			return nil
		})
	}
}

// secretly is a cluster with app.service on each machine.
type secretly struct {
	local
	machines []string
	values   []string // all that were ever set
}

// set makes a value the secret's, and has it spread.
func (s *secretly) set(t *testing.T, value, says string, code int) outcome {
	t.Helper()
	s.values = append(s.values, value)
	out := s.run(t, []byte(value), s.argosy, "ssh", "--name", s.name, "core-01", "--", "fleetctl secret set db-password --restart")
	if out.code != code || !strings.Contains(out.stdout, says) {
		t.Fatalf("set %s: %+v, want exit %d and %q", value, out, code, says)
	}
	return out
}

// running says whether app.service reads a value on every machine.
func (s *secretly) running(t *testing.T, value string) error {
	t.Helper()
	for _, machine := range s.machines {
		if out := s.shell(t, machine, "systemctl is-active app.service && sudo cat /run/credentials/app.service/password"); out.stdout != "active\n"+value {
			return fmt.Errorf("%s on %s: %+v", value, machine, out)
		}
	}
	return nil
}

func (s *secretly) pids(t *testing.T) (all string) {
	t.Helper()
	for _, machine := range s.machines {
		all += strings.TrimSpace(s.must(t, machine, "systemctl show --value -p MainPID app.service")) + " "
	}
	return all
}

// spans tells when the unit last began to start on each machine and was active, in
// microseconds of the clock that all share.
func (s *secretly) spans(t *testing.T) (all [][2]int64) {
	t.Helper()
	for _, machine := range s.machines {
		shown := s.must(t, machine, "systemctl show --value -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic app.service")
		var at [2]int64
		if _, err := fmt.Sscan(shown, &at[0], &at[1]); err != nil {
			t.Fatalf("%s: %v in %q", machine, err, shown)
		}
		all = append(all, at)
	}
	return all
}

// rolls: a new version gets to one machine when the unit runs again on the one before,
// and stops at the first where it does not.
func (s *secretly) rolls(t *testing.T) {
	s.set(t, "second-93fa", "version 2", 0)
	if err := s.running(t, "second-93fa"); err != nil {
		t.Fatal(err)
	}
	s.goesOn(t)
	at := s.spans(t)
	if one, other := at[0], at[1]; one[0] < other[1] && other[0] < one[1] {
		t.Errorf("both machines started it at once: %v", at)
	}

	out := s.set(t, "wrong-55d0", "version 5", 1)
	if !strings.Contains(out.stderr, "Unit app.service failed") || !strings.Contains(out.stderr, "Unit app.service: not restarted on ") {
		t.Errorf("a version that the unit cannot start with: %+v", out)
	}
	still := 0
	for _, machine := range s.machines {
		if strings.HasSuffix(s.shell(t, machine, "sudo cat /run/credentials/app.service/password").stdout, "second-93fa") {
			still++
		}
	}
	if still != 1 {
		t.Errorf("%d machines kept the version before, expected 1", still)
	}
	if got := s.must(t, "core-01", "fleetctl secret set db-password --from 4 --restart"); !strings.Contains(got, "version 6") {
		t.Errorf("back to version 4: %s", got)
	}
	if err := s.running(t, "second-93fa"); err != nil {
		t.Fatal(err)
	}
}

// goesOn: a roll whose fleetctl is killed goes on with the same command, wherever that
// was.
func (s *secretly) goesOn(t *testing.T) {
	s.shell(t, "core-01", "printf killed-1f7a | timeout -s KILL 1 fleetctl secret set db-password --restart")
	s.set(t, "killed-1f7a", "version 3", 0)
	if err := s.running(t, "killed-1f7a"); err != nil {
		t.Fatal(err)
	}
	if got := s.must(t, "core-01", "fleetctl secret list --no-legend --fields units"); got != "app.service=3\n" {
		t.Errorf("after it went on: %s", got)
	}
	s.set(t, "second-93fa", "version 4", 0)
}

// refuses: a worker is given what its own units ask for, and people are given nothing.
func (s *secretly) refuses(t *testing.T) {
	s.must(t, "core-01", "printf other-0b17 | fleetctl secret set other")
	s.values = append(s.values, "other-0b17")
	member := strings.TrimSpace(s.must(t, "core-01", "cat /etc/machine-id"))
	s.write(t, "core-01", "/home/core/there.service", sleeper+"\n[X-Fleet]\nSecret=other\nMachineID="+member+"\n")
	s.must(t, "core-01", "fleetctl start there.service")
	address := s.address(t, "core-01")
	asks := func(certificate, query string) string {
		return s.shell(t, "core-02", "sudo curl -sS "+certificate+" 'https://"+address+":49153/fleet/v2/secrets/"+query+"' 2>&1").stdout
	}
	own := fmt.Sprintf(`{"version":6,"value":%q}`, base64.StdEncoding.EncodeToString([]byte("second-93fa")))
	if got := asks(with, "db-password?unit=app.service"); strings.TrimSpace(got) != own {
		t.Errorf("a worker asks for what its unit needs: %s", got)
	}
	const refused = "no such unit is launched there that asks for it"
	local := strings.ReplaceAll(with, "machine.", "local.")
	for _, c := range []struct{ certificate, query, want string }{
		{with, "other?unit=there.service", "is not given the secret other for there.service: " + refused}, // it is on the member
		{with, "other?unit=app.service", "is not given the secret other for app.service: " + refused},     // it asks for another
		{with, "db-password?unit=hello@1.service", refused},
		{with, "db-password?unit=nothing.service", refused},
		{with, "db-password?unit=..%2fapp.service", "is no unit name"},
		{with, "..%2fdb-password?unit=app.service", "is no secret's name"},
		{local, "db-password?unit=app.service", "may not"},
		{"--cacert /etc/argosy/pki/ca.crt", "db-password?unit=app.service", "certificate required"},
	} {
		if got := asks(c.certificate, c.query); !strings.Contains(got, c.want) || strings.Contains(got, `"value"`) {
			t.Errorf("%s with %s: %s, want %q", c.query, c.certificate, got, c.want)
		}
	}
	for _, line := range []string{
		"sudo curl -s --unix-socket /run/fleet.sock 'http://fleet/fleet/v2/secrets/db-password?unit=app.service'",
		"cat /run/fleet/secrets/app.service/password", "cat /run/credentials/app.service/password", "cat /etc/argosy/pki/secrets.key",
	} {
		if out := s.shell(t, "core-01", line); strings.Contains(out.stdout, "second") || strings.Contains(out.stdout, `"value"`) || out.stdout == "" && out.stderr == "" {
			t.Errorf("%s: %+v", line, out)
		}
	}
	// What is sealed is not for everybody either.
	stolen := "sudo etcdctl --endpoints https://" + address + ":2379" + with + "get /argosy/v1/secrets/db-password"
	for machine, line := range map[string]string{"core-01": "etcdctl get --prefix /argosy/v1/secrets/", "core-02": stolen} {
		if out := s.shell(t, machine, line); out.code == 0 || !strings.Contains(out.stderr, "permission denied") && !strings.Contains(out.stderr, "may not read key") {
			t.Errorf("%s: %s: %+v", machine, line, out)
		}
	}
	if out := s.shell(t, "core-02", "sudo ls /etc/argosy/pki/secrets.key"); out.code == 0 {
		t.Error("a worker has the key of secrets")
	}
}

func (s *secretly) address(t *testing.T, machine string) string {
	t.Helper()
	return strings.TrimSpace(s.must(t, machine, `sudo sed -n 's/^public_ip="\(.*\)"/\1/p' /etc/fleet/fleet.conf`))
}

// tellsNobody: no value is in what people are shown, in logs, in the store or in its
// backups, neither as it is nor in base64; what is looked through is not empty.
func (s *secretly) tellsNobody(t *testing.T) {
	member := "sudo etcdctl --endpoints https://" + s.address(t, "core-01") + ":2379" + with
	s.must(t, "core-01", member+"snapshot save /tmp/snapshot")
	s.must(t, "core-01", "timeout 3 curl -sN --unix-socket /run/fleet.sock 'http://fleet/fleet/v2/watch?unit=app.service' > /tmp/watched; test -s /tmp/watched")
	told := "grep -aoF"
	for _, value := range s.values {
		told += " -e " + value + " -e " + strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "=")
	}
	// What line prints of the values; it has to print something.
	tells := func(machine, line string) string {
		out := s.shell(t, machine, line+" > /tmp/said; test -s /tmp/said || exit 3; "+told+" /tmp/said")
		if out.code > 1 {
			t.Errorf("%s: %s: %+v", machine, line, out)
		}
		return out.stdout
	}
	if got := tells("core-01", "sudo cat /run/fleet/secrets/app.service/password"); got != "second-93fa\n" {
		t.Fatalf("in the file that has it, %q is found", got)
	}
	everywhere := []string{
		"sudo journalctl --no-pager -b", "systemctl show app.service", "systemctl cat app.service",
		"sudo find /run/fleet /var/lib/fleet /run/systemd/system -path /run/fleet/secrets -prune -o -type f -exec cat {} +",
	}
	onMembers := []string{ // on a worker people are refused
		"fleetctl cat app.service", "fleetctl status app.service", "fleetctl journal app.service", "fleetctl why app.service",
		"fleetctl secret list -o json", "fleetctl list-units", "cat /tmp/watched", "curl -s --unix-socket /run/fleet.sock http://fleet/fleet/v2/units",
		member + "get --prefix ''", "sudo cat /tmp/snapshot", "sudo find /var/lib/etcd -type f -exec cat {} +",
	}
	for machine, lines := range map[string][]string{"core-01": append(onMembers, everywhere...), "core-02": everywhere} {
		for _, line := range lines {
			if got := tells(machine, line); got != "" {
				t.Errorf("%s: %s tells %q", machine, line, got)
			}
		}
	}
}
