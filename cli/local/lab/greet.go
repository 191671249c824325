package lab

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// examplesDir is where the machines have the examples.
const examplesDir = "usr/share/argosy/examples"

// Greet starts an instance of the example for each machine, the first time only:
// a user who destroyed them does not want them back.
func (c *Cluster) Greet(ctx context.Context, progress Progress) error {
	if c.plan.Greeted {
		return nil
	}
	progress.Step("examples/hello@.service")
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	first := c.plan.Machines[0].Name
	argv := []string{"fleetctl", "start"}
	for i := range c.plan.Machines {
		argv = append(argv, fmt.Sprintf("/%s/hello@%d.service", examplesDir, i+1))
	}
	if _, err := c.must(ctx, first, argv...); err != nil {
		return err
	}
	c.plan.Greeted = true
	return c.save()
}

// Tables are fleetctl's, as core-01 shows them.
func (c *Cluster) Tables(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var tables bytes.Buffer
	for _, verb := range []string{"list-machines", "list-units"} {
		out, err := c.must(ctx, c.plan.Machines[0].Name, "fleetctl", verb)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&tables, "\n%s $ fleetctl %s\n%s", c.plan.Machines[0].Name, verb, out)
	}
	return tables.String(), nil
}

// must is Run for a command that has to succeed.
func (c *Cluster) must(ctx context.Context, machine string, argv ...string) ([]byte, error) {
	out, code, err := c.Run(ctx, machine, argv...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s on %s: exit code %d: %s", strings.Join(argv, " "), machine, code, strings.TrimSpace(string(out)))
	}
	return out, err
}
