package setup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// machinesGo is a store with machines, each of which goes by the authorities a while
// after they were written. Bundles are names with spaces between.
type machinesGo struct {
	now      access.Authorities
	written  []string
	machines []cluster.Machine
	since    time.Time
	slow     map[cluster.MachineID]time.Duration
	fault    error
}

func (s *machinesGo) Register(context.Context) (access.Register, error) {
	return access.Register{Authorities: s.now}, s.fault
}

func (s *machinesGo) PutAuthorities(_ context.Context, a access.Authorities) (access.Authorities, error) {
	if a.Revision != s.now.Revision {
		return a, cluster.ErrConflict
	}
	a.Revision++
	s.now, s.since, s.written = a, time.Now(), append(s.written, a.Bundle)
	return a, nil
}

func (s *machinesGo) Machines(context.Context) ([]cluster.Machine, error) { return s.machines, s.fault }

func (s *machinesGo) ask(_ context.Context, m cluster.Machine, a access.Authorities) (string, error) {
	if time.Since(s.since) < s.slow[m.ID] {
		if len(s.written)%3 == 1 {
			return "", errors.New("it does not know it")
		}
		return a.Former, nil
	}
	return a.Signs, nil
}

func rotationOf(s *machinesGo) *rotation {
	return &rotation{
		store: s,
		begin: func() (access.Authorities, error) {
			return access.Authorities{Bundle: "old new", Signs: "old", Newest: "new", Former: "old", Key: "k"}, nil
		},
		turn:  func(bundle, first string) (string, error) { return first + " " + strings.Fields(bundle)[0], nil },
		alone: func(_, one string) (string, error) { return one, nil },
		ask:   s.ask, tell: func(string) {}, now: time.Now, by: "alice",
	}
}

const (
	first  = "0123456789abcdef0123456789abcdef"
	second = "fedcba9876543210fedcba9876543210"
)

func TestARotationWaitsForAllMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{
			machines: []cluster.Machine{{ID: first, Name: "core-01"}, {ID: second, Name: "core-02"}},
			slow:     map[cluster.MachineID]time.Duration{second: 3 * time.Minute},
		}
		r := rotationOf(s)
		if err := r.end(t.Context()); err == nil || err.Error() != "one authority is trusted, and no other is to take its place" {
			t.Error(err)
		}
		began := time.Now()
		if err := r.replace(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 6*time.Minute || took > 7*time.Minute {
			t.Errorf("it took %s: the slow machine was not waited for, twice", took)
		}
		if want := []string{"old new", "new old"}; !slices.Equal(s.written, want) || s.now.Signs != "new" || s.now.By != "alice" || s.now.Key != "k" {
			t.Errorf("written %q, now %+v", s.written, s.now)
		}
		if err := r.replace(t.Context()); err != nil || len(s.written) != 2 {
			t.Errorf("again: %v, written %q", err, s.written)
		}
		if err := r.end(t.Context()); err != nil || s.now.Bundle != "new" || s.now.Replacing() {
			t.Errorf("%v, %+v", err, s.now)
		}
	})
}

// A machine that never comes keeps the new authority from signing; the next call goes
// on where this one stopped.
func TestARotationGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{
			machines: []cluster.Machine{{ID: first, Name: "core-01"}, {ID: second, Name: "core-02"}},
			slow:     map[cluster.MachineID]time.Duration{second: time.Hour},
		}
		r := rotationOf(s)
		err := r.replace(t.Context())
		if err == nil || !strings.Contains(err.Error(), "call this again to go on: machine "+second+" (core-02): it does not know it") {
			t.Error(err)
		}
		if err := r.end(t.Context()); err == nil || !strings.Contains(err.Error(), "does not sign yet") {
			t.Error(err)
		}
		if s.now.Signs != "old" || len(s.written) != 1 {
			t.Errorf("%+v", s.now)
		}
		s.machines = s.machines[:1] // it was put out
		if err := r.replace(t.Context()); err != nil || s.now.Signs != "new" || len(s.written) != 2 {
			t.Errorf("%v, %+v", err, s.now)
		}
		s.fault = errors.New("the store is away")
		if err := r.replace(t.Context()); !errors.Is(err, s.fault) {
			t.Error(err)
		}
	})
}
