package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

// policyTime bounds the asking for what may be started.
const policyTime = 5 * time.Second

// refused are the units of a batch that may not be started, each with why. Nothing is
// done for them: what runs goes on with the text that it was started with, which
// systemd takes when it restarts it.
func (a *Agent) refused(ctx context.Context, b batch) map[cluster.UnitName]error {
	refused := map[cluster.UnitName]error{}
	if a.config.Policy == nil {
		return refused
	}
	var policy signing.Policy
	var err error
	asked := false
	for name, c := range b.chains {
		if !c.brings() {
			continue
		}
		if !asked { // once for all of them
			asked = true
			policy, err = a.policy(ctx)
		}
		if refused[name] = err; err == nil && policy.Asks() {
			refused[name] = a.permit(policy, c)
		}
	}
	return refused
}

// allIn says whether all of these units have failed.
func allIn(failed map[cluster.UnitName]error, units []cluster.UnitName) bool {
	return !slices.ContainsFunc(units, func(unit cluster.UnitName) bool { return failed[unit] == nil })
}

// brings says whether the chain puts a text on the machine or starts what is there.
// Also what is only loaded is judged: another unit may have systemd start it.
func (c *chain) brings() bool {
	for _, step := range c.steps {
		switch step.(type) {
		case converge.Write, converge.Start, converge.Restart:
			return true
		}
	}
	return false
}

func (a *Agent) policy(ctx context.Context) (signing.Policy, error) {
	ctx, cancel := a.on.WithTimeout(ctx, policyTime)
	defer cancel()
	policy, err := a.config.Policy(ctx)
	if err != nil {
		return policy, fmt.Errorf("not started: what may be started here is not known: %w", err)
	}
	return policy, nil
}

// permit judges what a chain is about to write, or what lies there.
func (a *Agent) permit(policy signing.Policy, c *chain) error {
	if _, writes := c.steps[0].(converge.Write); writes {
		return permits(policy, c.unit, c.text)
	}
	return a.permitHere(policy, c.unit)
}

// permitHere judges a unit as it lies on the disk.
func (a *Agent) permitHere(policy signing.Policy, unit cluster.UnitName) error {
	content, err := a.disk.Read(unit)
	if err != nil {
		return fmt.Errorf("not started: %w", err)
	}
	return permits(policy, unit, content)
}

func permits(policy signing.Policy, unit cluster.UnitName, content string) error {
	bundle, err := unitfile.ReadBundle(content)
	if err == nil {
		err = policy.Permits(unit, bundle)
	}
	if err != nil {
		return fmt.Errorf("not started: %w", err)
	}
	return nil
}

// permitAgain judges a unit that the cluster has put here already.
func (a *Agent) permitAgain(ctx context.Context, unit cluster.UnitName) error {
	if a.config.Policy == nil {
		return nil
	}
	policy, err := a.policy(ctx)
	if err != nil || !policy.Asks() {
		return err
	}
	return a.permitHere(policy, unit)
}
