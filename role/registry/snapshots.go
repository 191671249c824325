package registry

import (
	"context"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Bounds of what is kept for lists that are read page by page, see
// docs/decisions/0010.
const (
	// snapshotLife is how long a list is kept after its last page.
	snapshotLife = 5 * time.Minute
	// mostSnapshots are kept at a time; a further one ends that which has been
	// left alone the longest.
	mostSnapshots = 64
	// mostKept bounds the facts that are kept for all of them together, at about
	// half a kilobyte each.
	mostKept = 100_000
)

// snapshot is the cluster at one revision, kept for further pages of lists.
type snapshot struct {
	*api.Snapshot
	revision int64
	asOf     time.Time
	used     time.Time
}

// MachinesPage lists a part of the machines as they were at from.Revision.
func (r *Registry) MachinesPage(ctx context.Context, least int64, from api.From, away bool) (answer api.Machines, more bool, err error) {
	answer.Freshness, err = r.page(ctx, least, from, func(s *api.Snapshot) bool {
		answer.Machines, more = s.Machines(away, from.After.Machine, from.Most)
		return more
	})
	return answer, more, err
}

// UnitsPage lists a part of all units, or of those in only, as they were at from.Revision.
func (r *Registry) UnitsPage(ctx context.Context, least int64, from api.From, only []cluster.UnitName) (answer api.Units, more bool, err error) {
	answer.Freshness, err = r.page(ctx, least, from, func(s *api.Snapshot) bool {
		answer.Units, more = s.Units(only, from.After.Unit, from.Most)
		return more
	})
	return answer, more, err
}

// StatesPage lists a part of the states of one machine, or of all, as they were at
// from.Revision.
func (r *Registry) StatesPage(ctx context.Context, least int64, from api.From, machine cluster.MachineID) (answer api.States, more bool, err error) {
	answer.Freshness, err = r.page(ctx, least, from, func(s *api.Snapshot) bool {
		answer.States, more = s.States(machine, from.After, from.Most)
		return more
	})
	return answer, more, err
}

// page calls look with the snapshot that a page is of: a new one for a first page,
// which is kept where look says that there is more.
func (r *Registry) page(ctx context.Context, least int64, from api.From, look func(*api.Snapshot) (more bool)) (fresh api.Freshness, err error) {
	if from.Revision > 0 {
		return r.furtherPage(from.Revision, look)
	}
	err = r.read(ctx, least, func(v *api.View, now api.Freshness) {
		fresh = now
		kept := r.snapshots[now.Revision]
		if kept == nil {
			kept = &snapshot{Snapshot: v.Snapshot(), revision: now.Revision, asOf: now.AsOf}
		}
		kept.used = now.AsOf
		if look(kept.Snapshot) {
			r.snapshots[now.Revision] = kept
		} else if r.snapshots[now.Revision] == nil {
			kept.End()
		}
		r.tidySnapshots(now.AsOf)
	})
	return fresh, err
}

func (r *Registry) furtherPage(revision int64, look func(*api.Snapshot) bool) (api.Freshness, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.tidySnapshots(now)
	kept := r.snapshots[revision]
	if kept == nil {
		return api.Freshness{}, api.Expired()
	}
	kept.used = now
	look(kept.Snapshot)
	return api.Freshness{Revision: revision, AsOf: kept.asOf, AgeSeconds: now.Sub(kept.asOf).Seconds()}, nil
}

// tidySnapshots ends those whose time is over, and then, while there is too much
// of them, those that have been left alone the longest. mu is held.
func (r *Registry) tidySnapshots(now time.Time) {
	for len(r.snapshots) > 0 {
		var oldest *snapshot
		kept := 0
		for _, s := range r.snapshots {
			kept += s.Kept()
			if oldest == nil || s.used.Before(oldest.used) || s.used.Equal(oldest.used) && s.revision < oldest.revision {
				oldest = s
			}
		}
		if now.Sub(oldest.used) <= snapshotLife && len(r.snapshots) <= mostSnapshots && kept <= mostKept {
			return
		}
		oldest.End()
		delete(r.snapshots, oldest.revision)
	}
}
