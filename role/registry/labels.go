package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// SetLabels changes what operators say of a machine, which need not be there, nor
// ever have been. It is all or nothing. With change.DryRun it answers what would
// be; Consequences are not for the registry to tell.
func (r *Registry) SetLabels(ctx context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error) {
	if err := change.Valid(); err != nil {
		return api.LabelsAnswer{}, err
	}
	for range attempts {
		answer, err := r.labelOnce(ctx, by, id, change)
		if errors.Is(err, cluster.ErrConflict) {
			continue
		}
		if err != nil {
			return api.LabelsAnswer{}, err
		}
		if answer.Changed && !answer.DryRun {
			r.awaitView(ctx, answer.Revision, func(*api.View) bool { return true })
			r.log.Info("machine labelled", "machine", id, "set", change.Set, "remove", change.Remove, "reset", change.Reset, "by", by.Account.Name)
		}
		return answer, nil
	}
	return api.LabelsAnswer{}, fmt.Errorf("label machine %s: lost to others %d times: %w", id, attempts, cluster.ErrConflict)
}

func (r *Registry) labelOnce(ctx context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error) {
	said, err := r.store.Labels(ctx, id)
	if errors.Is(err, cluster.ErrNotFound) {
		said, err = cluster.Labels{Machine: id}, nil
	}
	var machine api.Machine
	if err == nil {
		err = r.read(ctx, said.Revision, func(v *api.View, _ api.Freshness) { machine = v.Shown(id) })
	}
	if err != nil {
		return api.LabelsAnswer{}, fmt.Errorf("label machine %s: %w", id, err)
	}
	own := machine.Metadata
	if machine.Labels != nil {
		own = machine.Configured
	}
	next, changed, err := change.Of(said, own, machine.Away)
	if err != nil {
		return api.LabelsAnswer{}, err
	}
	if changed && !change.DryRun {
		next.By, next.At = by.Account.Name, time.Now().UTC()
		if next, err = r.store.PutLabels(ctx, next, by.Entry(access.Label, "label machine "+string(id), fmt.Sprintf("set %v remove %v reset %t", change.Set, change.Remove, change.Reset), next.At)); err != nil {
			return api.LabelsAnswer{}, fmt.Errorf("label machine %s: %w", id, err)
		}
	}
	return api.LabelsAnswer{
		Machine: id, Name: machine.Name, Away: machine.Away, Revision: next.Revision, Changed: changed, DryRun: change.DryRun,
		Metadata: next.Over(own), Labels: next.Set, Configured: own,
	}, nil
}
