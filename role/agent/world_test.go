package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/fakesystemd"
	"argosy/edge/memstore"
	"argosy/role/agent"
)

const (
	self = cluster.MachineID("11111111111111111111111111111111")
	ttl  = 10 * time.Second

	sleeps = "[Service]\nExecStart=/bin/sleep 3600\n"
	naps   = "[Service]\nExecStart=/bin/sleep 7200\n"
	ends   = "[Service]\nExecStart=/bin/true\n"
	fails  = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
	slow   = "[Service]\nExecStartPre=/bin/sleep 3600\nExecStart=/bin/sleep 3600\n"
)

// world is a store, a leader's hand and one machine, in a bubble of time.
type world struct {
	t       *testing.T
	store   *memstore.Store
	machine *fakesystemd.Machine
	link    *link // of the machine to the store
	term    cluster.Leader
	boot    int
	fence   agent.Fence   // nil where there is none
	disk    agent.Disk    // nil for the machine's own
	systemd agent.Systemd // nil for the machine's own
	secrets agent.Secrets // nil where there are none
	policy  *policy       // nil where there is none
}

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		term, err := store.TakeLead(t.Context(), cluster.Leader{Machine: self})
		if err != nil {
			t.Fatal(err)
		}
		test(t, &world{t: t, store: store, machine: fakesystemd.New(), link: newLink(store), term: term, boot: 1})
	})
}

// running is an agent that runs.
type running struct {
	*agent.Agent
	world *world
	stop  context.CancelFunc
	ended chan error
}

func (w *world) run() *running { return w.runAs("core-01", "10.99.0.11", nil) }

func (w *world) runAs(name, address string, peers agent.Peers) *running {
	var disk agent.Disk = w.machine
	if w.disk != nil {
		disk = w.disk
	}
	var systemd agent.Systemd = w.machine
	if w.systemd != nil {
		systemd = w.systemd
	}
	config := agent.Config{
		Machine: cluster.Machine{ID: self, Name: name, Address: address, API: address + ":49153", BootID: fmt.Sprintf("boot-%d", w.boot)},
		TTL:     ttl,
		Peers:   peers,
		Fence:   w.fence,
		Secrets: w.secrets,
		Log:     slog.New(slog.DiscardHandler),
	}
	if w.policy != nil {
		config.Policy = w.policy.now
	}
	a := agent.New(config, w.link, systemd, disk)
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &running{Agent: a, world: w, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- a.Run(ctx) }()
	w.t.Cleanup(func() { r.end() })
	synctest.Wait()
	return r
}

// end ends the agent as a restart of fleetd does. It may be called twice.
func (r *running) end() {
	r.stop()
	if err := <-r.ended; !errors.Is(err, context.Canceled) {
		r.world.t.Errorf("the agent ended with %v, expected that its context was canceled", err)
	}
	r.ended <- context.Canceled
}

// submit stores a text and returns the revision of its unit.
func (w *world) submit(unit cluster.UnitName, text string) int64 {
	w.t.Helper()
	wanted := cluster.Unit{Name: unit, Hash: cluster.HashOf(text), Desired: cluster.Launched}
	batch := w.store.Changes(cluster.Everything, 0)
	for _, event := range batch.Events {
		if changed, is := event.(cluster.UnitChanged); is && changed.Unit.Name == unit {
			wanted.Revision = changed.Unit.Revision
		}
	}
	stored, err := w.store.PutUnit(w.t.Context(), wanted, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return stored.Revision
}

// place does what the leader does for a unit with this text.
func (w *world) place(unit cluster.UnitName, text string, desired cluster.Desired, generation int64) {
	w.t.Helper()
	w.commit(schedule.Place{UnitRevision: w.submit(unit, text), MachineRevision: w.machineRevision(),
		Placement: cluster.Placement{Machine: self, Unit: unit, Hash: cluster.HashOf(text), Desired: desired, Generation: generation, Reason: "test"}})
}

func (w *world) launch(unit cluster.UnitName, text string, generation int64) {
	w.t.Helper()
	w.place(unit, text, cluster.Launched, generation)
}

// evict ends a unit's placement.
func (w *world) evict(unit cluster.UnitName, text string) {
	w.t.Helper()
	w.commit(schedule.Evict{Unit: unit, From: self, UnitRevision: w.submit(unit, text)})
}

func (w *world) commit(change schedule.Change) {
	w.t.Helper()
	events, err := w.store.Commit(w.t.Context(), w.term, []schedule.Change{change})
	if err != nil || len(events) == 0 {
		w.t.Fatalf("commit %+v: %v, %v", change, events, err)
	}
}

func (w *world) machineRevision() int64 {
	m, err := w.store.Machine(w.t.Context(), self)
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		w.t.Fatal(err)
	}
	return m.Revision
}

// pass lets time go by, until all that follows has happened.
func (w *world) pass(long time.Duration) {
	time.Sleep(long)
	synctest.Wait()
}

// settle lets a burst be published.
func (w *world) settle() { w.pass(time.Second) }

func (w *world) states() map[cluster.UnitName]cluster.UnitState {
	w.t.Helper()
	list, err := w.store.States(w.t.Context(), self)
	if err != nil {
		w.t.Fatal(err)
	}
	states := map[cluster.UnitName]cluster.UnitState{}
	for _, state := range list {
		states[state.Unit] = state
	}
	return states
}

// is checks a unit's published state: generation, active, sub, phase.
func (w *world) is(unit cluster.UnitName, want string) cluster.UnitState {
	w.t.Helper()
	s, there := w.states()[unit]
	got := "absent"
	if there {
		got = fmt.Sprintf("%d %s %s %s", s.Generation, s.Active, s.Sub, s.Phase)
	}
	if got != want {
		w.t.Errorf("the state of %s is %q, expected %q (%+v)", unit, got, want, s)
	}
	return s
}

// did checks what systemd was asked to do so far.
func (w *world) did(want ...string) {
	w.t.Helper()
	if got := w.machine.Jobs(); !slices.Equal(got, want) {
		w.t.Errorf("systemd was asked to %q, expected %q", got, want)
	}
}

// link is a machine's way to the store, which can be cut while others' stand.
type link struct {
	*memstore.Store
	mu      sync.Mutex
	cut     bool
	changed chan struct{}
	missing cluster.Hash // a text that is not found
	stuck   bool         // writes of the machine's record are not answered
	astray  bool         // the next write of states is not answered, and done by strayed
	strayed func() error
	late    time.Duration // by which a follower begins later
}

func newLink(store *memstore.Store) *link { return &link{Store: store, changed: make(chan struct{})} }

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) stick(stuck bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stuck = stuck
}

// goAstray has the next write of states be done only when the test calls strayed.
func (l *link) goAstray() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.astray = true
}

func (l *link) lose(text cluster.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missing = text
}

func (l *link) state() (cut bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut, l.changed
}

func (l *link) err() error {
	if cut, _ := l.state(); cut {
		return cluster.ErrUnavailable
	}
	return nil
}

// Follow begins anew whenever the link stands again.
func (l *link) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	for ctx.Err() == nil {
		cut, changed := l.state()
		inner, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if !cut && l.waitLate(inner) {
				_ = l.Store.Follow(inner, scope, deliver)
			}
		}()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		cancel()
		<-done
	}
	return ctx.Err()
}

// followLate has followers begin later from now on.
func (l *link) followLate(late time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = late
}

// waitLate returns when a follower begins, or false if ctx ends first.
func (l *link) waitLate(ctx context.Context) bool {
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	select {
	case <-time.After(late):
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *link) Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error) {
	return guarded(l, func() (cluster.Placement, error) { return l.Store.Placement(ctx, machine, unit) })
}

func (l *link) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	l.mu.Lock()
	missing := hash == l.missing
	l.mu.Unlock()
	if missing {
		return "", fmt.Errorf("text %s: %w", hash, cluster.ErrNotFound)
	}
	return guarded(l, func() (string, error) { return l.Store.Content(ctx, hash) })
}

func (l *link) GrantLease(ctx context.Context, ttl time.Duration) (int64, error) {
	return guarded(l, func() (int64, error) { return l.Store.GrantLease(ctx, ttl) })
}

func (l *link) KeepAlive(ctx context.Context, lease int64) error {
	return l.pass(func() error { return l.Store.KeepAlive(ctx, lease) })
}

func (l *link) RevokeLease(ctx context.Context, lease int64) error {
	return l.pass(func() error { return l.Store.RevokeLease(ctx, lease) })
}

func (l *link) Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error) {
	return guarded(l, func() (cluster.Machine, error) { return l.Store.Machine(ctx, id) })
}

func (l *link) PutMachine(ctx context.Context, m cluster.Machine) (cluster.Machine, error) {
	l.mu.Lock()
	stuck := l.stuck
	l.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return cluster.Machine{}, fmt.Errorf("%w: %w", cluster.ErrUnavailable, ctx.Err())
	}
	return guarded(l, func() (cluster.Machine, error) { return l.Store.PutMachine(ctx, m) })
}

func (l *link) States(ctx context.Context, id cluster.MachineID) ([]cluster.UnitState, error) {
	return guarded(l, func() ([]cluster.UnitState, error) { return l.Store.States(ctx, id) })
}

func (l *link) PutStates(ctx context.Context, lease int64, id cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	l.mu.Lock()
	astray := l.astray
	l.astray = false
	if astray {
		l.strayed = func() error { return l.Store.PutStates(context.Background(), lease, id, changed, gone) }
	}
	l.mu.Unlock()
	if astray {
		return cluster.ErrUnavailable
	}
	return l.pass(func() error { return l.Store.PutStates(ctx, lease, id, changed, gone) })
}

// pass makes a call where the link stands.
func (l *link) pass(call func() error) error {
	if err := l.err(); err != nil {
		return err
	}
	return call()
}

func guarded[T any](l *link, call func() (T, error)) (value T, err error) {
	if err := l.err(); err != nil {
		return value, err
	}
	return call()
}
