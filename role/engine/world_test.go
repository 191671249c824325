package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/memstore"
)

// world is a cluster in a synctest bubble: a store in memory, machines that are
// only records, and engines.
type world struct {
	*testing.T
	store  *memstore.Store
	leases map[int]int64
}

// inWorld runs a test in a bubble of its own.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		test(&world{T: t, store: memstore.New(), leases: map[int]int64{}})
	})
}

func machineID(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

// register puts machine n's record there, with a lease that the test ends.
func (w *world) register(numbers ...int) {
	w.Helper()
	for _, n := range numbers {
		lease, err := w.store.GrantLease(w.Context(), 1000*time.Hour)
		if err == nil {
			_, err = w.store.PutMachine(w.Context(), cluster.Machine{ID: machineID(n), Name: fmt.Sprint("core-", n), Lease: lease})
		}
		if err != nil {
			w.Fatal(err)
		}
		w.leases[n] = lease
	}
}

func (w *world) lose(numbers ...int) {
	for _, n := range numbers {
		w.store.EndLease(w.leases[n])
	}
}

const text = "[Service]\nExecStart=/bin/sleep inf\n"

// ask wants a unit launched, or launched again in a new generation.
func (w *world) ask(names ...cluster.UnitName) {
	w.Helper()
	for _, name := range names {
		unit := cluster.Unit{Name: name, Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1}
		for _, event := range w.store.Changes(cluster.Everything, 0).Events {
			if known, is := event.(cluster.UnitChanged); is && known.Unit.Name == name {
				unit = known.Unit
				unit.Generation++
			}
		}
		if _, err := w.store.PutUnit(w.Context(), unit, text); err != nil {
			w.Fatal(err)
		}
	}
}

// place writes a placement as the leader of a term.
func (w *world) place(term cluster.Leader, name cluster.UnitName, machine int) error {
	m, err := w.store.Machine(w.Context(), machineID(machine))
	if err != nil {
		return err
	}
	for _, event := range w.store.Changes(cluster.Everything, 0).Events {
		if known, is := event.(cluster.UnitChanged); is && known.Unit.Name == name {
			_, err = w.store.Commit(w.Context(), term, []schedule.Change{schedule.Place{
				Placement: cluster.Placement{
					Machine: m.ID, Unit: name, Hash: known.Unit.Hash, Desired: known.Unit.Desired, Generation: known.Unit.Generation,
				},
				UnitRevision: known.Unit.Revision, MachineRevision: m.Revision,
			}})
		}
	}
	return err
}

// placements lists what stands in the store: unit, machine, generation.
func (w *world) placements() map[cluster.UnitName][]string {
	found := map[cluster.UnitName][]string{}
	for _, event := range w.store.Changes(cluster.Everything, 0).Events {
		if p, is := event.(cluster.PlacementChanged); is {
			at := fmt.Sprintf("%c:%d", p.Placement.Machine[31], p.Placement.Generation)
			found[p.Placement.Unit] = append(found[p.Placement.Unit], at)
		}
	}
	return found
}

// want waits for the world to come to rest and compares one unit's placements.
func (w *world) want(unit cluster.UnitName, machines ...string) {
	w.Helper()
	synctest.Wait()
	if got := w.placements()[unit]; fmt.Sprint(got) != fmt.Sprint(machines) {
		w.Errorf("%s is placed on %v, want %v (machine:generation)", unit, got, machines)
	}
}

// leader waits for the world to come to rest and says whose machine leads; 0
// for nobody's.
func (w *world) leader() int {
	w.Helper()
	synctest.Wait()
	l, err := w.store.Leader(w.Context())
	if err != nil {
		return 0
	}
	return int(l.Machine[31] - '0')
}

// node is an engine on a machine, with its way to the store.
type node struct {
	*memstore.Store
	w      *world
	engine *Engine

	mu      sync.Mutex
	blind   chan struct{} // not nil: batches wait until it is closed
	cut     bool          // calls do not arrive
	lossy   bool          // commits arrive, their answers do not
	delay   bool          // the next commit arrives when delayed is called
	delayed func() error
	before  func() // done once before the next commit
	// collecting is done before each step of collecting.
	collecting func(step string)

	commits int // that the engine tried
	takes   int // of the lead that it tried

	end    func()
	done   chan error
	status func() Status
}

// start runs an engine on machine n until the test ends or it is stopped.
func (w *world) start(n int, run string) *node { return w.startWhere(n, run, nil) }

// startWhere runs one that leads only where it may.
func (w *world) startWhere(n int, run string, mayLead func() bool) *node {
	node := w.prepare(n, run, mayLead)
	w.run(node)
	return node
}

func (w *world) prepare(n int, run string, mayLead func() bool) *node {
	node := &node{Store: w.store, w: w, done: make(chan error, 1)}
	node.engine = New(Config{
		Machine: machineID(n), Run: run, Store: node, Planner: schedule.New(), MayLead: mayLead,
		Log: slog.New(slog.NewTextHandler(w.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("on", n),
	})
	node.status = node.engine.Status
	return node
}

// run runs a node's engine until the test ends or it is stopped.
func (w *world) run(node *node) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { node.done <- node.engine.Run(ctx) }()
	node.end = sync.OnceFunc(func() {
		cancel()
		node.see()
		if err := <-node.done; err != nil {
			w.Errorf("engine of run %s ended with %v", node.engine.config.Run, err)
		}
	})
	w.Cleanup(node.end)
}

// tries says how many commits and campaigns the engine has tried.
func (n *node) tries() (commits, takes int) {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.commits, n.takes
}

// with changes a node's way to the store.
func (n *node) with(change func(n *node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// hide keeps news from the engine, and see lets them through again.
func (n *node) hide() { n.with(func(n *node) { n.blind = make(chan struct{}) }) }

func (n *node) see() {
	n.with(func(n *node) {
		if n.blind != nil {
			close(n.blind)
			n.blind = nil
		}
	})
}

func (n *node) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	return n.Store.Follow(ctx, scope, func(batch cluster.Batch) error {
		n.mu.Lock()
		blind := n.blind
		n.mu.Unlock()
		if blind != nil {
			<-blind
		}
		return deliver(batch)
	})
}

func (n *node) TakeLead(ctx context.Context, l cluster.Leader) (cluster.Leader, error) {
	n.mu.Lock()
	n.takes++
	before, cut := n.before, n.cut
	n.before = nil
	n.mu.Unlock()
	if before != nil {
		before()
	}
	if cut {
		return cluster.Leader{}, cluster.ErrUnavailable
	}
	return n.Store.TakeLead(ctx, l)
}

func (n *node) Resign(ctx context.Context, l cluster.Leader) error {
	n.mu.Lock()
	cut := n.cut
	n.mu.Unlock()
	if cut {
		return cluster.ErrUnavailable
	}
	return n.Store.Resign(ctx, l)
}

func (n *node) Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error) {
	n.mu.Lock()
	n.commits++
	before, cut, lossy, delay := n.before, n.cut, n.lossy, n.delay
	n.before = nil
	n.mu.Unlock()
	if before != nil {
		before()
	}
	if delay {
		n.with(func(n *node) {
			n.delay = false
			n.delayed = func() error { _, err := n.Store.Commit(context.Background(), term, changes); return err }
		})
	}
	if cut || delay {
		return nil, cluster.ErrUnavailable
	}
	events, err := n.Store.Commit(ctx, term, changes)
	if lossy {
		return nil, cluster.ErrUnavailable
	}
	return events, err
}
