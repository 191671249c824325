package stage

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/fakesystemd"
	"argosy/edge/memstore"
	"argosy/role/agent"
	"argosy/role/engine"
	"argosy/role/runtime"
)

// ways is a process's way to the store, which takes a moment there and back. It is
// enough for the loops to meet in more than one order; faults are test/sim's.
type ways struct {
	*memstore.Store
	on *Process
}

func (w ways) travel() {
	_ = runtime.Sleep(background, w.on, time.Duration(w.on.stage.rand.Int64N(int64(3*time.Millisecond))))
}

func (w ways) KeepAlive(ctx context.Context, lease int64) error {
	defer w.travel()
	w.travel()
	return w.Store.KeepAlive(ctx, lease)
}

func (w ways) Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error) {
	defer w.travel()
	w.travel()
	return w.Store.Commit(ctx, term, changes)
}

func (w ways) PutStates(ctx context.Context, lease int64, id cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	defer w.travel()
	w.travel()
	return w.Store.PutStates(ctx, lease, id, changed, gone)
}

func (w ways) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	w.travel()
	return w.Store.Content(ctx, hash)
}

// member is a machine with an engine and an agent.
type member struct {
	id      cluster.MachineID
	systemd *fakesystemd.Machine
	fleetd  *Process
}

// trio is a store and three members.
type trio struct {
	*stand
	store   *memstore.Store
	members []*member
	log     strings.Builder
}

func newTrio(t *testing.T, seed uint64) *trio {
	s := newStand(t, seed)
	c := &trio{stand: s, store: memstore.NewOn(s.Process("store", s.Clock()))}
	for n := range 3 {
		m := &member{id: cluster.MachineID(fmt.Sprintf("%032x", n+1)), systemd: fakesystemd.NewOn(s.Process("kernel", s.Clock()))}
		c.members = append(c.members, m)
		c.boot(m, 1)
	}
	return c
}

// boot starts fleetd on a machine.
func (c *trio) boot(m *member, life int) {
	m.fleetd = c.Process("fleetd of "+string(m.id[31:]), c.Clock())
	ctx, _ := m.fleetd.WithCancel(background)
	log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: c.stamp})).With("on", m.id[31:])
	store := ways{c.store, m.fleetd}
	a := agent.New(agent.Config{Machine: cluster.Machine{ID: m.id, Name: "core-" + string(m.id[31:]), BootID: "boot"}, TTL: 10 * time.Second, Log: log, Runtime: m.fleetd},
		store, m.systemd, m.systemd)
	e := engine.New(engine.Config{Machine: m.id, Run: fmt.Sprint(m.id[31:], life), Store: store, Planner: schedule.New(), Log: log, Runtime: m.fleetd})
	m.fleetd.Go(func() { _ = a.Run(ctx) })
	m.fleetd.Go(func() { _ = e.Run(ctx) })
}

// stamp has the log tell the simulation's time.
func (c *trio) stamp(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Duration(slog.TimeKey, c.now)
	}
	return a
}

func (c *trio) launch(names ...cluster.UnitName) {
	const text = "[Service]\nExecStart=/bin/sleep inf\n"
	for _, name := range names {
		_, err := c.store.PutUnit(background, cluster.Unit{Name: name, Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1}, text)
		if err != nil {
			c.Fatal(err)
		}
	}
}

// running lists what runs on machines that are alive.
func (c *trio) running() []cluster.UnitName {
	var up []cluster.UnitName
	for _, m := range c.members {
		if !m.fleetd.Dead() {
			up = append(up, m.systemd.Running()...)
		}
	}
	slices.Sort(up)
	return up
}

// written is all that was ever written to the store.
func (c *trio) written() string {
	var lines strings.Builder
	for _, event := range c.store.Changes(cluster.Everything, 1).Events {
		fmt.Fprintf(&lines, "%T %+v\n", event, event)
	}
	return lines.String()
}

// story is a cluster that launches units, loses a machine and gets it back.
func story(t *testing.T, seed uint64) *trio {
	c := newTrio(t, seed)
	var names []cluster.UnitName
	for i := range 9 {
		names = append(names, cluster.UnitName(fmt.Sprintf("web@%d.service", i)))
	}
	c.launch(names[:6]...)
	c.run(5 * time.Second)
	c.launch(names[6:]...)
	c.run(5 * time.Second)
	whole := func(when string) {
		if got := c.running(); !slices.Equal(got, names) {
			c.Errorf("seed %d, %s: running are %q\n%s", seed, when, got, c.log.String())
		}
	}
	whole("launched")
	lost := c.members[c.rand.IntN(3)]
	lost.fleetd.Kill()
	lost.systemd.Reboot()
	c.run(30 * time.Second)
	whole("with a machine lost")
	c.boot(lost, 2)
	c.run(time.Minute)
	whole("with all machines again")
	writes := c.store.Writes()
	if c.run(10 * time.Minute); c.store.Writes() != writes {
		c.Errorf("seed %d: at rest, %d writes", seed, c.store.Writes()-writes)
	}
	return c
}

// TestCluster runs the true engine and the true agent on three machines, and each
// story twice.
func TestCluster(t *testing.T) {
	digests := map[uint64]bool{}
	for seed := range uint64(50) {
		once, again := story(t, seed), story(t, seed)
		if once.Digest() != again.Digest() || once.log.String() != again.log.String() || once.written() != again.written() {
			t.Fatalf("seed %d gives two runs:\n%s\n%s\nand:\n%s\n%s", seed, once.log.String(), once.written(), again.log.String(), again.written())
		}
		digests[once.Digest()] = true
	}
	if len(digests) != 50 {
		t.Errorf("50 seeds give %d runs", len(digests))
	}
}
