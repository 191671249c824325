//go:build machines

package e2e

import (
	"fmt"
	"testing"
)

// declaredLost is how often leaders have declared a machine lost so far.
func (c local) declaredLost(t *testing.T) int {
	t.Helper()
	count := 0
	for _, machine := range allMachines {
		out := c.shell(t, machine, "sudo journalctl -u fleet --no-pager -o cat --grep='msg=\"a machine is lost' | grep -c . ")
		n := 0
		if _, err := fmt.Sscan(out.stdout, &n); err == nil {
			count += n
		}
	}
	return count
}
