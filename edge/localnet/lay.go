package localnet

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrCannot is what the kernel or its tools here cannot do.
var ErrCannot = errors.New("this host cannot do it")

// Lay makes faults hold between the machines, and nothing else.
func (n Namespace) Lay(ctx context.Context, faults Faults) error {
	return n.Do(func() error {
		if _, err := run(ctx, faults.script(), "nft", "-f", "-"); err != nil {
			return fmt.Errorf("lay the faults of %s (does the kernel have nf_tables for bridges?): %w", n, err)
		}
		return nil
	})
}

// Shape gives device in the namespace the rate and delay of slow, none if slow
// has none. Each end of a link shapes what it sends: call it for both. A device
// that vanishes, as at a machine's reboot, takes its shape along.
func (n Namespace) Shape(ctx context.Context, device string, slow Slow) error {
	return n.Do(func() error {
		// Nothing to delete is the usual case and no error.
		_, _ = run(ctx, "", "tc", "qdisc", "delete", "dev", device, "root")
		for _, words := range slow.discipline() {
			argv := append([]string{"tc", "qdisc", "add", "dev", device}, words...)
			_, err := run(ctx, "", argv...)
			if err != nil && strings.Contains(err.Error(), "qdisc kind is unknown") {
				return fmt.Errorf("%w: its kernel has no %s (CONFIG_NET_SCH_%s)", ErrCannot, kind(words), strings.ToUpper(kind(words)))
			}
			if err != nil {
				return fmt.Errorf("slow down %s: %w", device, err)
			}
		}
		return nil
	})
}

// kind is the discipline's name among its words.
func kind(words []string) string {
	for _, word := range words {
		if word == "tbf" || word == "netem" {
			return word
		}
	}
	return ""
}
