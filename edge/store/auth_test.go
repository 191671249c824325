package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/etcdnode/etcdtest"
)

func machineNumber(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%08x%024x", n, n)) }

// rangeOf is some keys: one, where the end is empty.
type rangeOf struct{ key, end string }

func below(prefix string) rangeOf { return rangeOf{prefix, clientv3.GetPrefixRangeEnd(prefix)} }

// may checks what somebody may do with some keys.
func may(t *testing.T, s *Store, who string, keys rangeOf, read, write bool) {
	t.Helper()
	check := func(what string, err error, allowed bool) {
		t.Helper()
		switch {
		case allowed && err != nil:
			t.Errorf("%s may not %s %q to %q: %v", who, what, keys.key, keys.end, err)
		case !allowed && (err == nil || !isForbidden(err)):
			t.Errorf("%s may %s %q to %q: %v", who, what, keys.key, keys.end, err)
		}
	}
	var options []clientv3.OpOption
	version := clientv3.Compare(clientv3.Version(keys.key), ">", 0)
	if keys.end != "" {
		options = append(options, clientv3.WithRange(keys.end))
		version = version.WithRange(keys.end)
	}
	_, err := s.client.Get(t.Context(), keys.key, options...)
	check("read", err, read)
	_, err = s.client.Txn(t.Context()).If(version).Commit()
	check("compare", err, read)
	_, err = s.client.Delete(t.Context(), keys.key, options...)
	check("delete", err, write)
	if keys.end == "" {
		_, err = s.client.Put(t.Context(), keys.key, "{}")
		check("write", err, write)
		_, err = s.client.Txn(t.Context()).Else(clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpPut(keys.key, "{}")})).Commit()
		check("write in a branch", err, write)
	}
	watch := s.client.Watch(t.Context(), keys.key, append(options, clientv3.WithCreatedNotify())...)
	first := <-watch
	check("watch", first.Err(), read)
}

// openUnguarded is a closed store whose etcd stands alone: what a client is there its
// certificate's common name says.
func openUnguarded(t *testing.T) (as func(user access.StoreUser) *Store) {
	t.Helper()
	endpoints, certified := etcdtest.StartTLS(t)
	as = func(user access.StoreUser) *Store {
		t.Helper()
		return open(t, Config{Endpoints: endpoints, TLS: certified(string(user))})
	}
	if err := as(access.StoreRoot).Secure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return as
}

const firstKey, toTheEnd = "\x00", "\x00" // as etcd writes them

func TestSecure(t *testing.T) {
	as := openUnguarded(t)
	root, local, viewer, worker, nobody := as(access.StoreRoot), as(access.StoreLocal), as(access.StoreViewer), as(access.StoreWorker), as("mallory")
	const all = "/argosy/"
	for _, keys := range []rangeOf{{"message", ""}, below("message/"), {"/argosx", "/argosy"}, {"/argosy", ""}, {"/argosy0", toTheEnd}, {"\xff", ""}} {
		may(t, root, "root", keys, true, true)
		may(t, local, "local", keys, true, true)
		may(t, viewer, "viewer", keys, true, false)
		may(t, worker, "worker", keys, false, false)
		may(t, nobody, "nobody", keys, false, false)
	}
	for _, keys := range []rangeOf{{leaderKey, ""}, {all, ""}, below(all), below("/argosy/v2/"), below("/arg"), {"/a", "/b"}, {firstKey, toTheEnd}} {
		may(t, root, "root", keys, true, true)
		may(t, local, "local", keys, false, false)
		may(t, viewer, "viewer", keys, false, false)
		may(t, worker, "worker", keys, false, false)
	}
	for who, s := range map[string]*Store{"local": local, "viewer": viewer, "worker": worker, "nobody": nobody} {
		for what, err := range map[string]error{
			"reads who may do what": func() error {
				_, err := s.Register(t.Context())
				return err
			}(),
			"expels": func() error {
				_, err := s.Expel(t.Context(), access.Subject{Machine: machineNumber(1)}, who, time.Now())
				return err
			}(),
			"takes the lead": func() error { _, err := s.TakeLead(t.Context(), cluster.Leader{}); return err }(),
		} {
			if !errors.Is(err, cluster.ErrForbidden) {
				t.Errorf("%s %s: %v, want ErrForbidden", who, what, err)
			}
		}
	}
}

// TestTheSecondLock has etcd's auth alone hold workers, as if the guard let all through:
// they are out of what is not theirs, though not of each other's.
func TestTheSecondLock(t *testing.T) {
	worker, id := openUnguarded(t)(access.StoreWorker), machineNumber(1)
	for _, keys := range []rangeOf{{machineKey(id), ""}, {suspectKey(id, id), ""}, below(root + "machines/"), below(root + "states/"), {stateKey(id, "web.service"), ""}} {
		may(t, worker, "a worker", keys, true, true)
	}
	for _, keys := range []rangeOf{below(root + "placements/"), {placementKey(id, "web.service"), ""}, {probesKey(id), ""}} {
		may(t, worker, "a worker", keys, true, false)
	}
	for _, keys := range append(ofNoWorker, below(root+"placement"), below(root+"s"), rangeOf{root + "machines/", root + "states0"}) {
		may(t, worker, "a worker", keys, false, false)
	}
}

// TestSecureAgain has somebody change etcd's users and roles behind us: the next term
// puts them right, and where all is right it writes nothing.
func TestSecureAgain(t *testing.T) {
	as := openUnguarded(t)
	s, id := as(access.StoreRoot), machineNumber(1)
	ctx := t.Context()
	changes := func() uint64 {
		status, err := s.client.AuthStatus(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return status.AuthRevision
	}
	const worker = string(access.StoreWorker)
	states := access.Below(root + "states/")
	both := clientv3.PermissionType(clientv3.PermReadWrite)
	for what, spoil := range map[string]func() error{
		"nothing":             func() error { return nil },
		"the user is deleted": func() error { _, err := s.client.UserDelete(ctx, worker); return err },
		"the role is deleted": func() error { _, err := s.client.RoleDelete(ctx, worker); return err },
		"the role is taken":   func() error { _, err := s.client.UserRevokeRole(ctx, worker, worker); return err },
		"the role misses a folder": func() error {
			_, err := s.client.RoleRevokePermission(ctx, worker, states.From, states.End)
			return err
		},
		"the role has one too many": func() error { _, err := s.client.RoleGrantPermission(ctx, worker, leaderKey, "", both); return err },
		"the role writes what it may read": func() error {
			placements := access.Below(root + "placements/")
			_, err := s.client.RoleGrantPermission(ctx, worker, placements.From, placements.End, both)
			return err
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		before := changes()
		if err := s.Secure(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if wrote := changes() - before; (wrote == 0) != (what == "nothing") {
			t.Errorf("%s: %d auth writes to put it right", what, wrote)
		}
		again := as(access.StoreWorker)
		may(t, again, what+": a worker", rangeOf{stateKey(id, "web.service"), ""}, true, true)
		may(t, again, what+": a worker", rangeOf{placementKey(id, "web.service"), ""}, true, false)
		may(t, again, what+": a worker", rangeOf{leaderKey, ""}, false, false)
	}
}

// ofNoWorker are keys that no worker may touch, whichever.
var ofNoWorker = []rangeOf{
	below(root + "units/"), {unitKey("web.service"), ""}, below(root + "contents/"), {contentKey("ab"), ""}, {markKey("ab"), ""},
	{labelsKey(machineNumber(1)), ""}, {unplacedKey("web.service"), ""}, {leaderKey, ""},
	below(peopleFolder), below(tokensFolder), below(revokedFolder), {authoritiesKey, ""},
	below(auditRoot), below(root + "secrets/"), below(root), below("/argosy/v2/"), {"message", ""}, {firstKey, toTheEnd},
}

// TestWorkersRanges lists what a worker may touch, and all that it may not.
func TestWorkersRanges(t *testing.T) {
	c := openClosed(t)
	id, other := machineNumber(1), machineNumber(2)
	worker := c.worker(id)
	for _, keys := range []rangeOf{{machineKey(id), ""}, {departedKey(id), ""}, {suspectKey(id, other), ""}, below(machineKey(id) + "/"), below(statesPrefix(id)), {stateKey(id, "web.service"), ""}} {
		may(t, worker, "a worker", keys, true, true)
	}
	for _, keys := range []rangeOf{below(placementsPrefix(id)), {placementKey(id, "web.service"), ""}, {probesKey(id), ""}} {
		may(t, worker, "a worker", keys, true, false)
	}
	for _, keys := range append(ofNoWorker, []rangeOf{
		{machineKey(other), ""}, {departedKey(other), ""}, {suspectKey(other, id), ""}, below(root + "machines/"),
		{machineKey(id) + "0", ""}, {machineKey(id)[:len(machineKey(id))-1], ""}, below(machineKey(id)),
		below(placementsPrefix(other)), {placementKey(other, "web.service"), ""}, below(root + "placements/"),
		below(statesPrefix(other)), {stateKey(other, "web.service"), ""}, below(root + "states/"),
	}...) {
		may(t, worker, "a worker", keys, false, false)
	}
}

func TestExpel(t *testing.T) {
	c := openClosed(t)
	id, other := machineNumber(1), machineNumber(2)
	worker, bystander := c.worker(id), c.worker(other)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	register := func(s *Store, id cluster.MachineID) cluster.Machine {
		lease, err := s.GrantLease(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.PutMachine(t.Context(), cluster.Machine{ID: id, Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PutStates(t.Context(), lease, id, []cluster.UnitState{{Unit: "web.service"}}, nil); err != nil {
			t.Fatal(err)
		}
		return m
	}
	left := register(bystander, other)
	register(worker, id)
	spare, err := worker.GrantLease(t.Context(), time.Hour)
	if err != nil || !access.OwnsLease(id, spare) {
		t.Fatalf("lease %x, %v, want one of the machine's own", spare, err)
	}
	for n := range uint64(2) {
		revoked, err := c.root.Expel(t.Context(), access.Subject{Machine: id}, "alice", at)
		if err != nil || revoked.Least != n+1 {
			t.Fatalf("expel: %+v, %v", revoked, err)
		}
	}
	out, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for { // its connection ends, and it is told why on the next
		_, err := worker.Machine(out, id)
		if errors.Is(err, cluster.ErrForbidden) {
			break
		}
		if out.Err() != nil {
			t.Fatalf("the expelled machine reads: %v, want ErrForbidden", err)
		}
	}
	if err := c.root.KeepAlive(t.Context(), spare); !errors.Is(err, cluster.ErrLeaseGone) {
		t.Errorf("its other lease: %v, want ErrLeaseGone", err)
	}
	events := next(t, follow(t, c.root, cluster.Everything), tells).Events
	departed := slices.IndexFunc(events, func(e cluster.Event) bool {
		d, is := e.(cluster.DepartedChanged)
		return is && d.Departed.Machine == id && d.Departed.At.Equal(at)
	})
	if len(events) != 3 || departed < 0 { // and the bystander's record and state
		t.Errorf("left in the store: %+v", events)
	}
	if err := bystander.KeepAlive(t.Context(), left.Lease); err != nil {
		t.Errorf("another's lease: %v", err)
	}
	if revoked, err := c.root.Expel(t.Context(), access.Subject{Person: "mallory"}, "alice", at); err != nil || revoked.Least != 1 {
		t.Errorf("expel a person: %+v, %v", revoked, err)
	}
}

// TestLeaseEndsBehindAuth has a worker die: the store ends its lease as nobody's
// call.
func TestLeaseEndsBehindAuth(t *testing.T) {
	c := openClosed(t)
	id := machineNumber(1)
	worker := c.worker(id)
	lease, err := worker.GrantLease(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.PutMachine(t.Context(), cluster.Machine{ID: id, Lease: lease}); err != nil {
		t.Fatal(err)
	}
	batches := follow(t, c.root, cluster.Everything)
	next(t, batches, func(b cluster.Batch) bool {
		return slices.ContainsFunc(b.Events, func(e cluster.Event) bool { _, is := e.(cluster.MachineGone); return is })
	})
}
