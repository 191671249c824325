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
// after they were written; a member's store by those of its peers when it has started
// anew since. Bundles are names with spaces between.
type machinesGo struct {
	now      access.Authorities
	written  []string // the bundles, and whose turn it was
	machines []cluster.Machine
	since    time.Time
	slow     map[cluster.MachineID]time.Duration
	peers    map[cluster.MachineID]string // what each member's store has loaded
	down     cluster.MachineID            // whose store starts anew just now
	until    time.Time
	members  []string // of the store, beside those that are listed
	fault    error
}

func (s *machinesGo) Register(context.Context) (access.Register, error) {
	return access.Register{Authorities: s.now}, s.fault
}

func (s *machinesGo) PutAuthorities(_ context.Context, a access.Authorities) (access.Authorities, error) {
	if a.Revision != s.now.Revision {
		return a, cluster.ErrConflict
	}
	switch {
	case a.Bundle != s.now.Bundle:
		s.since, s.written = time.Now(), append(s.written, a.Bundle+" / "+a.Peers.Bundle)
	case a.Turn != "":
		if s.Settled(context.Background()) != nil {
			return a, errors.New("two are down")
		}
		s.down, s.until, s.written = a.Turn, time.Now().Add(3*time.Second), append(s.written, string(a.Turn))
		s.peers[a.Turn] = a.Peers.Bundle
	}
	a.Revision++
	s.now = a
	return a, nil
}

func (s *machinesGo) Machines(context.Context) ([]cluster.Machine, error) {
	return slices.Clone(s.machines), s.fault
}

func (s *machinesGo) Members(context.Context) ([]string, error) {
	all := slices.Clone(s.members)
	for _, m := range s.machines {
		if m.Member {
			all = append(all, clientURL(m.Address))
		}
	}
	return all, nil
}

func (s *machinesGo) Settled(context.Context) error {
	if time.Now().Before(s.until) {
		return errors.New(string(s.down) + " starts")
	}
	return nil
}

func (s *machinesGo) ask(_ context.Context, m cluster.Machine, a access.Succession) (met, error) {
	if time.Since(s.since) < s.slow[m.ID] {
		return met{signer: a.Former}, nil
	}
	return met{signer: a.Signs, trusts: true}, nil
}

func (s *machinesGo) askPeer(_ context.Context, m cluster.Machine, a access.Succession) (met, error) {
	if s.down == m.ID && time.Now().Before(s.until) {
		return met{}, errors.New("it does not listen")
	}
	mine, wanted := strings.Fields(s.peers[m.ID]), strings.Fields(a.Bundle)
	slices.Sort(mine)
	slices.Sort(wanted)
	return met{signer: a.Signs, trusts: slices.Equal(mine, wanted)}, nil
}

func rotationOf(s *machinesGo) *rotation {
	s.peers = map[cluster.MachineID]string{first: "p", second: "p"}
	return &rotation{
		store: s,
		begin: func() (access.Authorities, error) {
			return access.Authorities{
				Succession: access.Succession{Bundle: "old new", Signs: "old", Newest: "new", Former: "old", Key: "k"},
				Peers:      access.Succession{Bundle: "p q", Signs: "p", Newest: "q", Former: "p", Key: "l"},
			}, nil
		},
		turn:  func(bundle, first string) (string, error) { return first + " " + strings.Fields(bundle)[0], nil },
		alone: func(_, one string) (string, error) { return one, nil },
		ask:   s.ask, askPeer: s.askPeer, tell: func(string) {}, now: time.Now, by: "alice",
	}
}

// two are a member and another member.
func two() []cluster.Machine {
	return []cluster.Machine{
		{ID: first, Name: "core-01", Address: "10.0.0.1", Member: true}, {ID: second, Name: "core-02", Address: "10.0.0.2", Member: true},
		{ID: third, Name: "core-03", Address: "10.0.0.3"},
	}
}

const (
	first  = "0123456789abcdef0123456789abcdef"
	second = "fedcba9876543210fedcba9876543210"
	third  = "33333333333333333333333333333333"
)

func TestARotationWaitsForAllMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{machines: two(), slow: map[cluster.MachineID]time.Duration{third: 3 * time.Minute}}
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
		both := []string{"old new / p q", first, second, "new old / q p"}
		if !slices.Equal(s.written, both) || s.now.Signs != "new" || s.now.Peers.Signs != "q" || s.now.Turn != "" || s.now.By != "alice" || s.now.Key != "k" || s.now.Peers.Key != "l" {
			t.Errorf("written %q, now %+v", s.written, s.now)
		}
		if err := r.replace(t.Context()); err != nil || len(s.written) != 4 {
			t.Errorf("again: %v, written %q", err, s.written)
		}
		if err := r.end(t.Context()); err != nil || s.now.Bundle != "new" || s.now.Peers.Bundle != "q" || s.now.Replacing() || s.now.Peers.Replacing() {
			t.Errorf("%v, %+v", err, s.now)
		}
		if want := append(both, "new / q", first, second); !slices.Equal(s.written, want) || s.now.Turn != "" {
			t.Errorf("written %q, want %q", s.written, want)
		}
		if err := r.end(t.Context()); err != nil || len(s.written) != 7 {
			t.Errorf("ended again: %v, written %q", err, s.written)
		}
	})
}

// A machine that never comes keeps the new authority from signing; the next call goes
// on where this one stopped.
func TestARotationGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{machines: two(), slow: map[cluster.MachineID]time.Duration{third: time.Hour}}
		r := rotationOf(s)
		err := r.replace(t.Context())
		if err == nil || !strings.Contains(err.Error(), "call this again to go on: machine "+third+" (core-03): it does not go by the cluster's authorities yet") {
			t.Error(err)
		}
		if err := r.end(t.Context()); err == nil || !strings.Contains(err.Error(), "does not sign yet") {
			t.Error(err)
		}
		if s.now.Signs != "old" || len(s.written) != 1 {
			t.Errorf("%+v", s.now)
		}
		s.machines = s.machines[:2] // it was put out
		if err := r.replace(t.Context()); err != nil || s.now.Signs != "new" || len(s.written) != 4 {
			t.Errorf("%v, %+v", err, s.now)
		}
		s.fault = errors.New("the store is away")
		if err := r.replace(t.Context()); !errors.Is(err, s.fault) {
			t.Error(err)
		}
	})
}

// A member that starts anew takes up other authorities only when the one before is
// back; one that was interrupted in between is not forgotten, at its end neither.
func TestARotationOfThePeersGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{machines: two()}
		r := rotationOf(s)
		for _, step := range []func(context.Context) error{r.replace, r.end} {
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second) // while the first starts
			if err := step(ctx); !errors.Is(ctx.Err(), context.DeadlineExceeded) || !strings.Contains(err.Error(), "call this again to go on: machine "+first+" (core-01): it does not listen") {
				t.Errorf("interrupted: %v", err)
			}
			stop()
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"old new / p q", first, second, "new old / q p", "new / q", first, second}; !slices.Equal(s.written, want) {
			t.Errorf("written %q, want %q", s.written, want)
		}
	})
}

// A member that is off could not come back: nothing is begun.
func TestARotationWantsAllMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{machines: two(), members: []string{"https://10.0.0.9:2379"}}
		err := rotationOf(s).replace(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the member of the store at https://10.0.0.9:2379 is of no machine that is listed") || len(s.written) != 0 {
			t.Errorf("%v, written %q", err, s.written)
		}
	})
}

// Authorities that an older version began to replace have no peers.
func TestARotationWithoutPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &machinesGo{machines: two()}
		r := rotationOf(s)
		begin := r.begin
		r.begin = func() (access.Authorities, error) {
			all, err := begin()
			all.Peers = access.Succession{}
			return all, err
		}
		if err := errors.Join(r.replace(t.Context()), r.end(t.Context())); err != nil {
			t.Fatal(err)
		}
		if want := []string{"old new / ", "new old / ", "new / "}; !slices.Equal(s.written, want) {
			t.Errorf("written %q, want %q", s.written, want)
		}
	})
}
