//go:build machines

package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
)

// wipe makes a machine what Debian with our units is: of no cluster.
const wipe = `sudo sh -c 'systemctl stop etcd fleet.socket fleet etcd-endpoint; ` +
	`for u in $(ls /run/fleet/units 2>/dev/null); do systemctl stop $u; done; ` +
	`rm -rf /etc/argosy /etc/etcd/etcd.env /etc/fleet/fleet.conf /var/lib/etcd/member /var/lib/fleet /run/fleet; systemctl daemon-reload; systemctl reset-failed'`

// pki is what lies in a machine's folder, as one text.
const pki = "sudo sh -c 'cd /etc/argosy && find . -type f | sort | xargs sha256sum'"

// line is how a machine joins.
var joinLine = regexp.MustCompile(`(?m)^ *(argosy join .*)$`)

// stages says, of each stage of a long test, when it was passed.
func stages(t *testing.T) func(what string) {
	start := time.Now()
	return func(what string) {
		t.Helper()
		t.Logf("%s: %s after the start", what, time.Since(start).Round(time.Second))
	}
}

// blank is four machines of no cluster, three of which have what members need.
func blank(t *testing.T) local {
	t.Helper()
	four := local{argosy: cluster.argosy, name: cluster.name + "4"}
	t.Cleanup(func() { four.do(t, "down") })
	four.do(t, "up", "--machines", "4", "--members", "3")
	for _, machine := range []string{"core-04", "core-03", "core-02", "core-01"} {
		four.must(t, machine, wipe)
	}
	return four
}

// A cluster made by hand on four machines: one begins it, two become members with it
// at the same moment, one a worker; then its certificates end within seconds, again
// and again, while a unit, a watch and a client's connection live on; then the whole
// cluster is off until they have all ended, and comes back.
func TestInitJoinAndRenewal(t *testing.T) {
	passed := stages(t)
	four := blank(t)
	passed("four machines")
	first := four.must(t, "core-01", "sudo argosy init")
	invited := joinLine.FindAllStringSubmatch(first, -1)
	if len(invited) != 2 {
		t.Fatalf("argosy init printed:\n%s", first)
	}
	worker, member := invited[0][1], invited[1][1]
	four.initRefuses(t)
	four.joinRefuses(t, worker)

	done := make(chan outcome, 1)
	go func() { done <- four.shell(t, "core-02", "sudo "+member) }()
	four.must(t, "core-03", "sudo "+member)
	if out := <-done; out.code != 0 {
		t.Fatalf("core-02: %+v", out)
	}
	once := strings.TrimSpace(four.must(t, "core-01", "sudo argosy token create --uses 1"))
	four.must(t, "core-04", "sudo "+once)
	eventually(t, time.Minute, func() error { return four.counts(t, "core-01", "list-machines", 4) })
	if got := four.must(t, "core-01", "etcdctl member list | grep -c 'started.*false$'"); got != "3\n" {
		t.Errorf("%s members that are no learners", got)
	}
	key := four.must(t, "core-01", "sudo cat /etc/argosy/pki/secrets.key")
	for _, machine := range []string{"core-02", "core-03"} {
		if got := four.must(t, machine, "sudo cat /etc/argosy/pki/secrets.key"); got != key {
			t.Errorf("%s has another key of secrets than the first member", machine)
		}
	}
	passed("joined")
	four.tokenIsUsed(t, once)
	passed("joined again")

	four.write(t, "core-01", "/home/core/here.service", sleeper+"\n[X-Fleet]\nMachineID="+strings.TrimSpace(four.must(t, "core-04", "cat /etc/machine-id"))+"\n")
	four.must(t, "core-01", "fleetctl start here.service")
	four.learnsOfMembers(t)
	passed("without its own store")
	four.renews(t)
	passed("renewed")
	four.comesBack(t)
	passed("back")
}

func TestSecurityGuide(t *testing.T) { blank(t).follow(t, "../../docs/guide/security.md") }

// initRefuses: a machine that is in a cluster begins no other.
func (c local) initRefuses(t *testing.T) {
	before := c.must(t, "core-01", pki)
	if out := c.shell(t, "core-01", "sudo argosy init"); out.code != 1 || !strings.Contains(out.stderr, "in a cluster already, or was: /etc/argosy/pki is there; nothing was changed") {
		t.Errorf("a second init: %+v", out)
	}
	if c.must(t, "core-01", pki) != before {
		t.Error("a second init changed files")
	}
}

// joinRefuses: what is not right is refused with words, and nothing is written.
func (c local) joinRefuses(t *testing.T, line string) {
	hash := regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	secret := regexp.MustCompile(`--token (\w+)\.(\w+)`)
	for name, try := range map[string]struct{ line, want string }{
		"a wrong hash":        {hash.ReplaceAllString(line, "sha256:"+strings.Repeat("0", 64)), "does not know the authority sha256:0000"},
		"a wrong secret":      {secret.ReplaceAllString(line, "--token $1.WRONG"), "the token is refused: it is not known here"},
		"a worker's token":    {line + " --member", "it is for a worker, not for a member"},
		"another's name":      {line + " --name core-01", "is called core-01 already"},
		"another's address":   {line + " --address 10.99.0.11", "has the address 10.99.0.11 already"},
		"no token":            {secret.ReplaceAllString(line, ""), "expected ID.SECRET"},
		"a hash that is none": {hash.ReplaceAllString(line, "md5:0"), "is no hash of an authority"},
	} {
		if out := c.shell(t, "core-04", "sudo "+try.line); out.code == 0 || !strings.Contains(out.stderr, try.want) {
			t.Errorf("%s: %+v, want %q", name, out, try.want)
		}
	}
	if out := c.shell(t, "core-04", "ls /etc/argosy /etc/fleet/fleet.conf /etc/etcd/etcd.env"); out.stdout != "" {
		t.Errorf("refused joins left %s", out.stdout)
	}
}

// tokenIsUsed: a machine that comes again with a token for one is refused, and is
// taken with another once its old life is not listed any more.
func (c local) tokenIsUsed(t *testing.T, once string) {
	c.must(t, "core-04", wipe)
	if out := c.shell(t, "core-04", "sudo "+once); out.code == 0 || !strings.Contains(out.stderr, "it was used as often as it may be") {
		t.Errorf("a token for one machine, again: %+v", out)
	}
	if out := c.shell(t, "core-04", "ls /etc/argosy"); out.stdout != "" {
		t.Errorf("a refused join left %s", out.stdout)
	}
	line := strings.TrimSpace(c.must(t, "core-01", "sudo argosy token create"))
	token := regexp.MustCompile(`--token (\S+) `).FindStringSubmatch(line)
	// The secret does not have to be an argument.
	line = "echo " + token[1] + " | sudo " + strings.Replace(line, token[0], "--token-file - ", 1)
	eventually(t, time.Minute, func() error {
		if out := c.shell(t, "core-04", line); out.code != 0 {
			return fmt.Errorf("%+v", out)
		}
		return nil
	})
}

// learnsOfMembers: the first machine began with itself alone, and goes on without its
// own store once others have joined.
func (c local) learnsOfMembers(t *testing.T) {
	eventually(t, 5*time.Minute, func() error {
		if out := c.shell(t, "core-01", "cat /var/lib/fleet/members"); strings.Count(out.stdout, "https://") != 3 {
			return fmt.Errorf("core-01 knows of %q", out.stdout)
		}
		return nil
	})
	c.must(t, "core-01", "sudo systemctl stop etcd")
	eventually(t, time.Minute, func() error {
		if out := c.shell(t, "core-01", "etcdctl put from core-01 && fleetctl list-machines --no-legend | wc -l"); out.stdout != "OK\n4\n" {
			return fmt.Errorf("without its own store: %+v", out)
		}
		return nil
	})
	c.must(t, "core-01", "sudo systemctl start etcd")
}

// short is how long certificates last in the rest of the test.
const short = 30 * time.Second

// shorten gives a machine's certificates a life of seconds. They keep it when they
// are renewed.
func (c local) shorten(t *testing.T, machine string) {
	t.Helper()
	f := authority.Folder(filepath.Join(t.TempDir(), machine))
	file := func(from, name string) {
		if err := f.Write(name, []byte(c.must(t, from, "sudo cat /etc/argosy/pki/"+name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ca.crt", "ca.key", "peer-ca.crt", "peer-ca.key"} {
		file("core-01", name)
	}
	names := []string{authority.MachineName, authority.LocalName}
	if machine != "core-04" {
		names = append(names, authority.PeerName)
	}
	for _, name := range names {
		file(machine, name+".crt")
		file(machine, name+".key")
		held, err := f.Held(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(f.CertificateFile(name)); err != nil {
			t.Fatal(err)
		}
		renewal := access.Grant{Who: held.Who, Hosts: held.Hosts, Life: short}
		key, err := os.ReadFile(f.KeyFile(name))
		if err != nil {
			t.Fatal(err)
		}
		request, err := authority.NewRequest(key)
		if err != nil {
			t.Fatal(err)
		}
		sign := f.Sign
		if name == authority.PeerName {
			sign = f.SignPeer
		}
		certificate, err := sign(string(request), renewal)
		if err != nil {
			t.Fatal(err)
		}
		c.write(t, machine, "/etc/argosy/pki/"+name+".crt", certificate)
	}
}

// ends is when a machine's certificate ends.
func (c local) ends(t *testing.T, machine, name string) time.Time {
	t.Helper()
	block, _ := pem.Decode([]byte(c.must(t, machine, "cat /etc/argosy/pki/"+name+".crt")))
	if block == nil {
		t.Fatalf("%s: %s.crt is no certificate", machine, name)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.NotAfter
}

var allFour = []string{"core-01", "core-02", "core-03", "core-04"}

// renews: certificates are renewed several times, and nobody who is connected notices.
func (c local) renews(t *testing.T) {
	for _, machine := range allFour {
		c.shorten(t, machine)
		c.must(t, machine, "sudo systemctl restart fleet") // it looks at them when it begins
	}
	began := c.must(t, "core-04", "systemctl show -P ExecMainStartTimestampMonotonic here.service etcd-endpoint.service")
	// One plain watch through a worker's relay, and one client that connects once.
	c.must(t, "core-04", "nohup etcdctl watch news >watched 2>&1 & nohup curl -sN 'http://127.0.0.1:2379/v2/keys/news?wait=true' >waited 2>&1 & echo $! >/dev/null")
	start := time.Now()
	eventually(t, 5*time.Minute, func() error {
		for _, machine := range allFour {
			for _, name := range []string{"machine", "local"} {
				if end := c.ends(t, machine, name); end.Before(start.Add(3 * short)) {
					return fmt.Errorf("%s: %s.crt ends at %s, %s after the start", machine, name, end, end.Sub(start))
				}
			}
		}
		return nil
	})
	c.must(t, "core-01", "etcdctl put news good")
	eventually(t, 30*time.Second, func() error {
		if got := c.shell(t, "core-04", "cat watched").stdout; got != "PUT\nnews\ngood\n" {
			return fmt.Errorf("the watch saw %q", got)
		}
		return nil
	})
	c.must(t, "core-01", "curl -sS http://127.0.0.1:2379/v2/keys/news -XPUT -d value=old")
	eventually(t, 30*time.Second, func() error {
		if got := c.shell(t, "core-04", "cat waited").stdout; !strings.Contains(got, `"value":"old"`) {
			return fmt.Errorf("the waiting request saw %q", got)
		}
		return nil
	})
	if now := c.must(t, "core-04", "systemctl show -P ExecMainStartTimestampMonotonic here.service etcd-endpoint.service"); now != began {
		t.Errorf("something was started again: %s, before %s", now, began)
	}
	if err := c.counts(t, "core-01", "list-machines", 4); err != nil {
		t.Error(err)
	}
}

// comesBack: a cluster that was off until all its certificates had ended.
func (c local) comesBack(t *testing.T) {
	for _, machine := range allFour {
		c.do(t, "chaos", "kill", machine)
	}
	waitSince(t, time.Now(), short+5*time.Second)
	for _, machine := range allFour {
		c.do(t, "chaos", "start", machine)
	}
	eventually(t, 2*time.Minute, func() error { return c.counts(t, "core-01", "list-machines", 4) })
	eventually(t, time.Minute, func() error {
		if out := c.shell(t, "core-04", "systemctl is-active here.service && etcdctl get --print-value-only news"); out.stdout != "active\ngood\n" {
			return fmt.Errorf("%+v", out)
		}
		return nil
	})
}
