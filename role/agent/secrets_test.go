package agent_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// safe is the cluster's secrets as a machine reaches them, and its own disk's.
type safe struct {
	world *world

	mu      sync.Mutex
	secrets map[cluster.SecretName]int64 // versions; a value is "NAME VERSION"
	away    bool
	given   map[cluster.UnitName]string
	said    map[cluster.UnitName]cluster.SecretVersions
}

func (w *world) keeps(secrets ...cluster.SecretName) *safe {
	s := &safe{world: w, secrets: map[cluster.SecretName]int64{}, given: map[cluster.UnitName]string{}, said: map[cluster.UnitName]cluster.SecretVersions{}}
	for _, name := range secrets {
		s.secrets[name] = 1
	}
	w.secrets = s
	return s
}

func (s *safe) Value(_ context.Context, _ cluster.UnitName, name cluster.SecretName) ([]byte, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, there := s.secrets[name]
	switch {
	case s.away:
		return nil, 0, cluster.ErrUnavailable
	case !there:
		return nil, 0, fmt.Errorf("the secret %s: %w", name, cluster.ErrNotFound)
	}
	return fmt.Appendf(nil, "%s %d", name, version), version, nil
}

func (s *safe) Asks(unit cluster.UnitName) ([]unitfile.Secret, error) {
	return unitfile.SecretsOf(unit, s.world.machine.Text(unit)), nil
}

func (s *safe) Give(unit cluster.UnitName, values map[string][]byte, versions cluster.SecretVersions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, credential := range slices.Sorted(maps.Keys(values)) {
		words = append(words, fmt.Sprintf("%s: %s", credential, values[credential]))
	}
	s.given[unit], s.said[unit] = strings.Join(words, ", "), versions
	return nil
}

func (s *safe) Given(unit cluster.UnitName) cluster.SecretVersions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said[unit]
}

// set makes a new version of a secret, or the first; 0 ends it.
func (s *safe) set(name cluster.SecretName, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets[name] = version; version == 0 {
		delete(s.secrets, name)
	}
}

func (s *safe) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// has checks what a unit was given last, and what the cluster was told of it.
func (s *safe) has(unit cluster.UnitName, values string, versions cluster.SecretVersions) {
	s.world.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if state := s.world.states()[unit]; s.given[unit] != values || state.Secrets != versions {
		s.world.t.Errorf("%s was given %q, and its state says %q; expected %q and %q", unit, s.given[unit], state.Secrets, values, versions)
	}
}

const asking = sleeps + "[X-Fleet]\nSecret=key:db-%i tls\n"

// A unit is given its secrets as they are when it starts, and keeps those until it
// starts anew, whatever becomes of fleetd meanwhile.
func TestSecretsAreGivenWithTheStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.keeps("db-1", "tls")
		r := w.run()
		w.launch("db@1.service", asking, 1)
		w.settle()
		w.did("start db@1.service")
		s.has("db@1.service", "key: db-1 1, tls: tls 1", "db-1=1 tls=1")

		s.set("tls", 2)
		w.pass(time.Hour)
		r.end()
		r = w.run()
		w.pass(time.Hour)
		w.did("start db@1.service")
		s.has("db@1.service", "key: db-1 1, tls: tls 1", "db-1=1 tls=1")

		w.launch("db@1.service", asking, 2)
		w.settle()
		w.did("start db@1.service", "restart db@1.service")
		s.has("db@1.service", "key: db-1 1, tls: tls 2", "db-1=1 tls=2")

		s.set("db-1", 7)
		if err := r.Restart(t.Context(), "alice", "db@1.service"); err != nil {
			t.Error(err)
		}
		w.settle()
		w.did("start db@1.service", "restart db@1.service", "restart db@1.service")
		s.has("db@1.service", "key: db-1 7, tls: tls 2", "db-1=7 tls=2")
	})
}

// What asks for a secret that cannot be had is not started, and what runs is not
// stopped for it; both go on when it can be had.
func TestSecretThatCannotBeHad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.keeps("tls")
		r := w.run()
		w.launch("db@1.service", asking, 1)
		w.launch("web.service", sleeps, 1)
		w.pass(10 * time.Minute)
		w.did("start web.service")
		const want = "not started: get the secret db-1: the secret db-1: not found"
		if state := w.is("db@1.service", "1 inactive dead settled"); state.Problem != want {
			t.Errorf("the problem is %q, expected %q", state.Problem, want)
		}
		s.set("db-1", 1)
		w.pass(2 * time.Minute)
		w.did("start web.service", "start db@1.service")
		w.is("db@1.service", "1 active running settled")

		s.setAway(true)
		w.launch("db@1.service", asking, 2)
		w.pass(10 * time.Minute)
		w.runs("with its secrets out of reach", "db@1.service", "web.service")
		if err := r.Restart(t.Context(), "alice", "db@1.service"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("a restart with secrets out of reach: %v", err)
		}
		w.did("start web.service", "start db@1.service")
		s.setAway(false)
		w.pass(2 * time.Minute)
		w.did("start web.service", "start db@1.service", "restart db@1.service")
	})
}

// After a reboot nothing is there, and all is asked for again.
func TestSecretsAfterAReboot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.keeps("db-1", "tls")
		r := w.run()
		w.launch("db@1.service", asking, 1)
		w.settle()
		r.end()
		w.machine.Reboot()
		clear(s.said)
		clear(s.given)
		s.set("tls", 3)
		w.boot++
		w.run()
		w.settle()
		w.did("start db@1.service", "start db@1.service")
		s.has("db@1.service", "key: db-1 1, tls: tls 3", "db-1=1 tls=3")
	})
}

// A machine that can be given no secrets starts nothing that asks for one.
func TestNoSecretsHere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("db@1.service", asking, 1)
		w.settle()
		w.did()
		const want = "not started: it asks for secrets, and this machine can be given none"
		if state := w.states()["db@1.service"]; state.Problem != want {
			t.Errorf("the problem is %q, expected %q", state.Problem, want)
		}
	})
}
