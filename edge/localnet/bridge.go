package localnet

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// Bridge is the name of the bridge in each cluster's namespace.
const Bridge = "argosy0"

// Port is the bridge's end of the link to machine, as systemd-nspawn names it:
// "vb-" and the machine's name, cut at the kernel's 15 characters.
func Port(machine string) string {
	name := "vb-" + machine
	return name[:min(len(name), 15)]
}

// AddBridge sets up the loopback and the bridge, which has address itself. What
// is there already stays.
func (n Namespace) AddBridge(ctx context.Context, address netip.Prefix) error {
	return n.Do(func() error {
		if _, err := run(ctx, "", "ip", "link", "show", "dev", Bridge); err != nil {
			// A port forwards from the first frame: nothing here can loop.
			if _, err := run(ctx, "", "ip", "link", "add", Bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"); err != nil {
				return fmt.Errorf("add the bridge %s (does the kernel have the module bridge?): %w", Bridge, err)
			}
		}
		for _, argv := range [][]string{
			{"ip", "link", "set", "dev", "lo", "up"},
			{"ip", "address", "replace", address.String(), "dev", Bridge},
			{"ip", "link", "set", "dev", Bridge, "up"},
		} {
			if _, err := run(ctx, "", argv...); err != nil {
				return fmt.Errorf("set up the bridge %s: %w", Bridge, err)
			}
		}
		return nil
	})
}

// Unplug removes the link of a machine that is off. The kernel does so itself,
// but some time after the machine's last process has ended, and until then the
// name is taken: a boot right after a kill would fail.
func (n Namespace) Unplug(ctx context.Context, machine string) error {
	return n.Do(func() error {
		_, err := run(ctx, "", "ip", "link", "delete", "dev", Port(machine))
		if err == nil {
			return nil
		}
		if _, gone := run(ctx, "", "ip", "link", "show", "dev", Port(machine)); gone != nil && ctx.Err() == nil {
			return nil //nolint:nilerr // it is not there any more, which is what was wanted
		}
		return fmt.Errorf("unplug %s: %w", machine, err)
	})
}

// run runs one command to its end; its error carries what the command said.
func run(ctx context.Context, stdin string, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(said.String()))
	}
	return out, nil
}
