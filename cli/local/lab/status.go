package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"argosy/edge/nspawn"
)

// Status is what a machine is doing.
type Status struct {
	Machine string       `json:"machine"`
	State   nspawn.State `json:"state"`
	Address netip.Addr   `json:"address"`
	Etcd    string       `json:"etcd"`  // systemd's word for the service, "-" where there is none
	Fleet   string       `json:"fleet"` // "?" if the machine does not answer
	Faults  string       `json:"faults,omitempty"`
}

// Status looks at every machine, all at once.
func (c *Cluster) Status(ctx context.Context) ([]Status, error) {
	if err := mustBeRoot(); err != nil {
		return nil, err
	}
	faults, err := c.faults()
	if err != nil {
		return nil, err
	}
	all := make([]Status, len(c.plan.Machines))
	var group errgroup.Group
	for i, node := range c.plan.Machines {
		group.Go(func() error {
			all[i] = Status{Machine: node.Name, State: nspawn.Off, Address: node.Address, Etcd: "-", Fleet: "-", Faults: faults.Of(node.Name)}
			if m, err := c.machine(node); err == nil {
				all[i].State = m.State()
			}
			if all[i].State == nspawn.Running {
				if node.Member {
					all[i].Etcd = c.word(ctx, node, "etcd.service")
				}
				all[i].Fleet = c.word(ctx, node, "fleet.service")
			}
			return nil
		})
	}
	return all, group.Wait()
}

// word is a unit's state for a table.
func (c *Cluster) word(ctx context.Context, node Node, unit string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	state, err := c.unitState(ctx, node, unit)
	if err != nil || state == "" {
		return "?"
	}
	return state
}

// Variable is one of the environment that points tools at the cluster.
type Variable struct{ Name, Value string }

// Environment points fleetctl and etcdctl at the first machine that runs. Its
// sockets are reached through /proc, which takes root and holds until that
// machine's next boot.
func (c *Cluster) Environment(path string) ([]Variable, error) {
	for _, node := range c.plan.Machines {
		root, err := c.Root(node.Name)
		if err != nil {
			continue
		}
		return []Variable{
			{"FLEETCTL_ENDPOINT", "unix://" + root + "/run/fleet.sock"},
			{"ETCDCTL_ENDPOINTS", "unix://" + root + "/run/etcd-endpoint/etcd.sock"},
			{"PATH", c.path("bin") + ":" + path},
		}, nil
	}
	return nil, fmt.Errorf("no machine of cluster %q runs: `argosy up` starts them", c.plan.Name)
}

// Root is where this host finds the files of a machine that runs, until its next
// boot.
func (c *Cluster) Root(machine string) (string, error) {
	node, err := c.plan.node(machine)
	if err != nil {
		return "", err
	}
	m, err := c.machine(node)
	if err != nil {
		return "", err
	}
	if state := m.State(); state != nspawn.Running {
		return "", fmt.Errorf("%s is not running but %s", machine, state)
	}
	leader, err := m.Leader()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/root", leader), nil
}
