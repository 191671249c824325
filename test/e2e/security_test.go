//go:build machines

package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// hardened are the rows of the page on what the daemons may do: the service, its
// exposure, its user, its capabilities.
var hardened = regexp.MustCompile("(?m)^\\| `([a-z-]+\\.service)` \\| ([0-9.]+) \\| ([a-z-]+) \\| ([a-z_ ]+) \\|")

// capabilities are bits of a process's sets, see capability.h.
var capabilities = map[string]string{"none": "0000000000000000", "net_raw": "0000000000002000"}

// What the page says of the services is what Debian's own systemd says.
func TestExposure(t *testing.T) {
	page, err := os.ReadFile("../../docs/internals/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := hardened.FindAllStringSubmatch(string(page), -1)
	told := map[string]bool{}
	for _, row := range rows {
		service, exposure := row[1], row[2]
		told[service] = true
		out := cluster.must(t, "core-01", "systemd-analyze security --offline=true --no-pager "+service+" | tail -n 1")
		if !strings.Contains(out, "Overall exposure level for "+service+": "+exposure+" ") {
			t.Errorf("the page says %s of %s; systemd-analyze says %s", exposure, service, out)
		}
	}
	shipped := cluster.must(t, "core-01", "cd /usr/lib/systemd/system && ls etcd*.service fleet*.service argosy*.service 2>/dev/null | cat")
	for _, service := range strings.Fields(shipped) {
		if !told[service] {
			t.Errorf("%s is not in the table of docs/internals/hardening.md", service)
		}
	}
}

// The running processes are what their units say: nothing was lost on the way.
func TestServicesRunConfined(t *testing.T) {
	page, err := os.ReadFile("../../docs/internals/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range hardened.FindAllStringSubmatch(string(page), -1) {
		service, user, has := row[1], row[3], row[4]
		if service == "fleet-fence.service" {
			continue // it runs while units are behind it: the test of the fence has them
		}
		status := cluster.must(t, "core-02", "pid=$(systemctl show -P MainPID "+service+"); ps -o user:32= -p $pid; sudo cat /proc/$pid/status")
		for _, want := range []string{user, "NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t" + capabilities[has], "CapBnd:\t" + capabilities[has]} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("%s runs without %q:\n%s", service, want, status)
			}
		}
		if out := cluster.shell(t, "core-02", "sudo nsenter -t $(systemctl show -P MainPID "+service+") -m touch /usr/there /etc/there /home/there /var/there"); out.code == 0 || strings.Count(out.stderr, "Read-only file system")+strings.Count(out.stderr, "No such file") < 3 {
			t.Errorf("%s may write anywhere: exit %d\n%s", service, out.code, out.stderr)
		}
	}
}

// Who is not root and not in group fleet gets nothing out of fleet's socket.
func TestSocketIsForItsGroup(t *testing.T) {
	if got := cluster.must(t, "core-01", "stat -c '%a %U:%G' /run/fleet.sock"); got != "660 root:fleet\n" {
		t.Errorf("/run/fleet.sock is %s", got)
	}
	const ask = "curl -sS --max-time 5 --unix-socket /run/fleet.sock http://fleet/fleet/v2/machines"
	if out := cluster.shell(t, "core-01", "sudo -u nobody "+ask); out.code == 0 || out.stdout != "" {
		t.Errorf("nobody: exit %d, %s", out.code, out.stdout)
	}
	for _, user := range []string{"root", "core"} {
		if out := cluster.shell(t, "core-01", "sudo -u "+user+" "+ask); out.code != 0 || !strings.Contains(out.stdout, `"machines"`) {
			t.Errorf("%s: exit %d\n%s%s", user, out.code, out.stdout, out.stderr)
		}
	}
}
