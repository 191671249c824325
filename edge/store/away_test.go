package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/etcdnode/etcdtest"
)

const patience = 30 * time.Second

// follow sends what a follower is told; the test waits for its end.
func follow(t *testing.T, s *Store, scope cluster.Scope) <-chan cluster.Batch {
	t.Helper()
	batches := make(chan cluster.Batch)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, scope, func(batch cluster.Batch) error {
			select {
			case batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v, want its context's end", err)
		}
	})
	return batches
}

// next is the next batch that ok accepts.
func next(t *testing.T, batches <-chan cluster.Batch, ok func(cluster.Batch) bool) cluster.Batch {
	t.Helper()
	var last cluster.Batch
	deadline := time.After(patience)
	for {
		select {
		case last = <-batches:
			if ok(last) {
				return last
			}
		case <-deadline:
			t.Fatalf("the follower was not told in %s, last of %+v", patience, last)
		}
	}
}

func tells(batch cluster.Batch) bool    { return batch.Reset || len(batch.Events) > 0 }
func confirms(batch cluster.Batch) bool { return !tells(batch) }

func aUnit(name cluster.UnitName) cluster.Unit {
	return cluster.Unit{Name: name, Hash: cluster.HashOf("a"), Desired: cluster.Launched, Generation: 1}
}

func put(t *testing.T, s *Store, name cluster.UnitName) cluster.Unit {
	t.Helper()
	unit, err := s.PutUnit(t.Context(), aUnit(name), "a")
	if err != nil {
		t.Fatal(err)
	}
	return unit
}

func TestEveryCallEndsWhileTheStoreIsAway(t *testing.T) {
	s := open(t, Config{Endpoints: []string{"127.0.0.1:1"}, Timeout: 50 * time.Millisecond})
	ctx := t.Context()
	id := cluster.MachineID(strings.Repeat("0", 32))
	calls := map[string]func() error{
		"Content":     func() error { _, err := s.Content(ctx, "ab"); return err },
		"PutUnit":     func() error { _, err := s.PutUnit(ctx, aUnit("a.service"), "a"); return err },
		"DeleteUnit":  func() error { return s.DeleteUnit(ctx, "a.service", 1) },
		"GrantLease":  func() error { _, err := s.GrantLease(ctx, time.Second); return err },
		"KeepAlive":   func() error { return s.KeepAlive(ctx, 1) },
		"RevokeLease": func() error { return s.RevokeLease(ctx, 1) },
		"PutMachine":  func() error { _, err := s.PutMachine(ctx, cluster.Machine{ID: id, Lease: 1}); return err },
		"Machine":     func() error { _, err := s.Machine(ctx, id); return err },
		"PutStates": func() error {
			return s.PutStates(ctx, 1, id, []cluster.UnitState{{Unit: "a.service"}}, nil)
		},
		"Leader":   func() error { _, err := s.Leader(ctx); return err },
		"TakeLead": func() error { _, err := s.TakeLead(ctx, cluster.Leader{}); return err },
		"Resign":   func() error { return s.Resign(ctx, cluster.Leader{Revision: 1}) },
		"Commit": func() error {
			_, err := s.Commit(ctx, cluster.Leader{Revision: 1}, []schedule.Change{schedule.Absolve{Unit: "a.service"}})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("%s with the store away: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestFollowGoesOn cuts the connection and, later, takes the history away.
func TestFollowGoesOn(t *testing.T) {
	etcd := etcdtest.Start(t)
	wire := startRelay(t, etcd[0])
	direct := open(t, Config{Endpoints: etcd})
	s := open(t, Config{Endpoints: []string{wire.address}, ConfirmEvery: 100 * time.Millisecond})
	put(t, direct, "first.service")

	batches := follow(t, s, cluster.Everything)
	if first := next(t, batches, tells); !first.Reset || len(first.Events) != 2 {
		t.Fatalf("first batch %+v, want a Reset with a unit and its text", first)
	}
	next(t, batches, confirms)

	wire.setCut(true)
	during := put(t, direct, "during.service")
	wire.setCut(false)
	got := next(t, batches, tells)
	if got.Reset || got.Revision != during.Revision || len(got.Events) != 1 {
		t.Errorf("after a cut: %+v, want the one change meanwhile and no Reset", got)
	}
	if got := next(t, batches, confirms); got.Revision < during.Revision {
		t.Errorf("confirmed %d, want at least %d", got.Revision, during.Revision)
	}

	wire.setCut(true)
	put(t, direct, "lost.service")
	last := put(t, direct, "last.service")
	if _, err := direct.client.Compact(t.Context(), last.Revision); err != nil {
		t.Fatal(err)
	}
	wire.setCut(false)
	if got := next(t, batches, tells); !got.Reset || len(got.Events) != 5 {
		t.Errorf("after a compaction: %+v, want a Reset with four units and a text", got)
	}
}

// TestOneMemberStopped freezes one of two ways to the store and then the other:
// connections stay up and nothing answers.
func TestOneMemberStopped(t *testing.T) {
	etcd := etcdtest.Start(t)
	direct := open(t, Config{Endpoints: etcd})
	ways := []*relay{startRelay(t, etcd[0]), startRelay(t, etcd[0])}
	config := Config{
		Endpoints: []string{ways[0].address, ways[1].address},
		Timeout:   600 * time.Millisecond, ConfirmEvery: 50 * time.Millisecond,
	}
	// Calls that follow one another take turns; the follower's would disturb that.
	caller, reader := open(t, config), open(t, config)
	put(t, direct, "first.service")
	batches := follow(t, reader, cluster.Everything)
	next(t, batches, tells)
	lease, err := caller.GrantLease(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for n, way := range ways {
		way.setFrozen(true)
		for range 2 * len(ways) {
			if err := caller.KeepAlive(t.Context(), lease); err != nil {
				t.Errorf("keep alive with member %d stopped: %v", n, err)
			}
			if _, err := caller.Content(t.Context(), cluster.HashOf("a")); err != nil {
				t.Errorf("read with member %d stopped: %v", n, err)
			}
		}
		written := put(t, direct, cluster.UnitName("web@"+strconv.Itoa(n)+".service"))
		got := next(t, batches, func(b cluster.Batch) bool { return b.Revision >= written.Revision })
		if got.Reset {
			t.Errorf("with member %d stopped the follower began again: %+v", n, got)
		}
		way.setFrozen(false)
	}
}

// TestRubbish has an operator's slip of etcdctl stop nothing.
func TestRubbish(t *testing.T) {
	etcd := etcdtest.Start(t)
	reports := make(chan error, 100)
	s := open(t, Config{Endpoints: etcd, Report: func(err error) { reports <- err }})
	id := strings.Repeat("0", 32)
	rubbish := map[string]string{
		"units/web.service":                   `{"desired":"sometimes"}`,
		"units/db.service":                    "\x00\xff",
		"units/no-unit":                       `{}`,
		"machines/core-01":                    `{}`,
		"labels/core-01":                      `{}`,
		"labels/" + id:                        `{"set":["a"]}`,
		"placements/" + id + "/web.service":   `[]`,
		"placements/web.service":              `{}`,
		"placements/" + id + "/web.service/x": `{}`,
		"states/" + id + "/web.service":       ``,
		"unplaced/web.service":                `"because"`,
		"leader":                              `me`,
		"leader/2":                            `{}`,
		"contents/":                           ``,
		"units/" + strings.Repeat("a", 300) + ".mount": `{}`,
	}
	write := func(key, value string) {
		if _, err := s.client.Put(t.Context(), root+key, value); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range rubbish {
		write(key, value)
	}
	write("history/1", "a later version's") // no fault of anybody
	good := put(t, s, "good.service")

	batches := follow(t, s, cluster.Everything)
	if got := next(t, batches, tells); len(got.Events) != 2 {
		t.Errorf("among rubbish: %+v, want a unit and its text", got)
	}
	write("units/new.service", "{")
	good.Generation++
	if _, err := s.PutUnit(t.Context(), good, "a"); err != nil {
		t.Fatal(err)
	}
	if got := next(t, batches, tells); len(got.Events) != 1 {
		t.Errorf("after rubbish: %+v, want the unit", got)
	}
	next(t, follow(t, s, cluster.Everything), tells) // meets all of it again
	if got, want := len(reports), len(rubbish)+1; got != want {
		t.Errorf("%d reports, want each of %d pieces of rubbish once", got, want)
	}
	if _, err := s.Leader(t.Context()); err == nil || errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("a leader that is rubbish: %v, want an error that says so", err)
	}
}

// TestLongRead reads many pages while others write, at one revision.
func TestLongRead(t *testing.T) {
	s := open(t, Config{Endpoints: etcdtest.Start(t)})
	const count = 2*pageKeys + 1
	lease, err := s.GrantLease(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	id := cluster.MachineID(strings.Repeat("0", 32))
	states := make([]cluster.UnitState, count)
	for n := range states {
		states[n] = cluster.UnitState{Unit: cluster.UnitName("web@" + strings.Repeat("1", n%200) + "-" + strconv.Itoa(n) + ".service")}
	}
	if err := s.PutStates(t.Context(), lease, id, states, nil); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				written <- nil
				return
			default:
			}
			if err := s.PutStates(context.Background(), lease, id, states[:1], nil); err != nil {
				written <- err
				return
			}
		}
	}()
	got := next(t, follow(t, s, cluster.Everything), tells)
	close(stop)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if len(got.Events) != count {
		t.Errorf("read %d of %d facts", len(got.Events), count)
	}
	for _, event := range got.Events {
		if state := event.(cluster.StateChanged).State; state.Revision > got.Revision {
			t.Errorf("a fact of revision %d in a picture of %d", state.Revision, got.Revision)
		}
	}
}

// TestRevisionStaysWhole has a follower that comes late receive large
// transactions, each in one batch.
func TestRevisionStaysWhole(t *testing.T) {
	s := open(t, Config{Endpoints: etcdtest.Start(t)})
	f := &follower{store: s, prefix: root, confirmEvery: s.confirmEvery, known: 1}
	const transactions = 50
	var last int64
	for range transactions {
		ops := make([]clientv3.Op, maxOps)
		for n := range ops {
			ops[n] = clientv3.OpPut(contentKey(cluster.Hash("ab"+strconv.Itoa(n))), strings.Repeat("a", 3000))
		}
		response, err := s.client.Txn(t.Context()).Then(ops...).Commit()
		if err != nil {
			t.Fatal(err)
		}
		last = response.Header.Revision
	}
	enough := errors.New("enough")
	f.deliver = func(batch cluster.Batch) error {
		if len(batch.Events)%maxOps != 0 {
			t.Errorf("a batch of %d events up to %d, want whole transactions of %d", len(batch.Events), batch.Revision, maxOps)
		}
		if batch.Revision >= last {
			return enough
		}
		return nil
	}
	if err := f.watch(t.Context()); !errors.Is(err, enough) {
		t.Error(err)
	}
}
