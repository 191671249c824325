//go:build machines

package e2e

import (
	"strings"
	"testing"
)

// client makes core-01 a machine that core may go to the others from, with a key
// of its own and no host known yet.
func (c local) client(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		for _, machine := range allMachines {
			c.shell(t, machine, "rm -rf .ssh .fleetctl")
		}
	})
	c.must(t, "core-01", "mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
	key := c.must(t, "core-01", "cat .ssh/id_ed25519.pub")
	for _, machine := range allMachines {
		c.must(t, machine, "mkdir -p -m 700 .ssh")
		c.write(t, machine, "/home/core/.ssh/authorized_keys", key)
	}
}

// What fleetctl does over ssh, with OpenSSH on both sides. Each step leaves known
// hosts to the next.
func TestFleetctlOverSSH(t *testing.T) {
	cluster.client(t)
	cluster.startUnit(t, "ssh-here.service", sleeper+"\n[X-Fleet]\nMachineID="+strings.TrimSpace(cluster.must(t, "core-03", "cat /etc/machine-id"))+"\n")
	const (
		asks    = "Are you sure you want to continue connecting (yes/no)?"
		refused = "its host key is not known, and was not accepted"
		changed = "REMOTE HOST IDENTIFICATION HAS CHANGED"
	)
	for _, c := range []struct {
		line string
		code int
		out  string // "*" for any
		says string // on stderr; "" wants silence, "*" is content with all
	}{
		{"fleetctl --tunnel 10.99.0.12 list-machines", 1, "", refused},
		{"echo no | fleetctl --tunnel 10.99.0.12 list-machines", 1, "", refused},
		{"test -s .fleetctl/known_hosts", 1, "", ""},
		{"echo y | fleetctl --tunnel 10.99.0.12 cat hello@1 | grep -c ^ExecStart=", 0, "1", asks},
		{"fleetctl --tunnel 10.99.0.12:22 cat hello@1 | grep -c ^ExecStart=", 0, "1", ""},
		{"FLEETCTL_TUNNEL=10.99.0.12 fleetctl list-unit-files --no-legend --fields unit,dstate | grep ssh-here", 0, "ssh-here.service\tlaunched", ""},
		{"FLEETCTL_TUNNEL=10.99.0.12 fleetctl status ssh-here | grep -c 'active (running)'", 0, "1", ""},

		{"echo yes | fleetctl --tunnel 10.99.0.12 ssh ssh-here hostname", 0, "core-03", asks},
		{"fleetctl --tunnel 10.99.0.12 ssh ssh-here hostname", 0, "core-03", ""},
		{"fleetctl ssh core-03 hostname", 0, "core-03", ""},
		{"fleetctl ssh --unit ssh-here.service hostname", 0, "core-03", ""},
		{"fleetctl ssh --machine core-03 -- id -un", 0, "core", ""},
		{"fleetctl ssh $(fleetctl ssh core-03 cut -c1-8 /etc/machine-id) hostname", 0, "core-03", ""},
		{"fleetctl ssh $(fleetctl ssh core-03 cat /etc/machine-id) hostname", 0, "core-03", ""},
		{"fleetctl ssh 10.99.0.13 hostname", 0, "core-03", ""},
		{"fleetctl ssh --machine ... true", 1, "", "3 machines have an id that begins so"},
		{"fleetctl ssh core-03 'echo in >&2; exit 7'", 7, "", "in"},
		{"fleetctl ssh core-03 'kill -9 $$'", 255, "", "*"},
		{"echo through | fleetctl ssh core-03 cat", 0, "through", ""},

		{"fleetctl --ssh-username nobody ssh core-03 true", 255, "", "Permission denied"},
		{"FLEETCTL_SSH_USERNAME=nobody fleetctl ssh core-03 true", 255, "", "Permission denied"},
		{"fleetctl --ssh-username nobody --tunnel 10.99.0.12 list-machines", 1, "", "Permission denied"},
		{"fleetctl --strict-host-key-checking=false ssh --ssh-port 1 core-03 true", 255, "", "Connection refused"},
		{"fleetctl --strict-host-key-checking=false --ssh-timeout 1 --tunnel 10.99.0.250 list-machines", 1, "", "tunnel to 10.99.0.250: ssh has ended"},
		{"fleetctl ssh core-09 true", 3, "", "core-09: no machine and no unit on one is called so"},

		{"eval $(ssh-agent) >/dev/null; ssh-add -q .ssh/id_ed25519; fleetctl ssh --forward-agent core-03 'ssh-add -l | wc -l'; fleetctl ssh --A core-03 'ssh-add -l | wc -l'; kill $SSH_AGENT_PID", 0, "1\n1", ""},
		{"eval $(ssh-agent) >/dev/null; ssh-add -q .ssh/id_ed25519; fleetctl ssh core-03 'ssh-add -l'; kill $SSH_AGENT_PID", 0, "", "authentication agent"},

		{"ssh-keygen -q -t ed25519 -N '' -f .ssh/other && " +
			"sed -i \"s|^10.99.0.13 .*|10.99.0.13 $(cut -d' ' -f1,2 .ssh/other.pub)|; s|^10.99.0.12 .*|10.99.0.12 $(cut -d' ' -f1,2 .ssh/other.pub)|\" .fleetctl/known_hosts", 0, "", ""},
		{"echo y | fleetctl ssh core-03 true", 255, "", changed},
		{"echo y | fleetctl --tunnel 10.99.0.12 list-machines", 1, "", changed},
		{"fleetctl --strict-host-key-checking=false ssh core-03 hostname", 0, "core-03", ""},
		{"FLEETCTL_STRICT_HOST_KEY_CHECKING=false fleetctl --tunnel 10.99.0.12 cat hello@1 | grep -c ^ExecStart=", 0, "1", ""},
		{"echo y | fleetctl --known-hosts-file .fleetctl/others ssh core-03 hostname", 0, "core-03", asks},
		{"FLEETCTL_KNOWN_HOSTS_FILE=.fleetctl/others fleetctl ssh core-03 hostname", 0, "core-03", ""},

		{"printf 'GET /fleet/v2/machines HTTP/1.0\\r\\n\\r\\n' | fleetctl fd-forward /run/fleet.sock | head -1 | tr -d '\\r'", 0, "HTTP/1.0 200 OK", ""},
		{"ls /tmp | grep -c fleetctl-", 1, "0", ""},
	} {
		out := cluster.shell(t, "core-01", c.line)
		printed := strings.TrimSpace(out.stdout)
		if out.code != c.code || c.out != "*" && printed != c.out || c.says != "*" && (!strings.Contains(out.stderr, c.says) || c.says == "" && out.stderr != "") {
			t.Errorf("$ %s\nexit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", c.line, out.code, c.code, out.stdout, c.out, out.stderr, c.says)
		}
	}
}
