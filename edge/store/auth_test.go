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

// closed is a store that asks for certificates.
type closed struct {
	*testing.T
	as   func(user access.StoreUser) *Store
	root *Store
}

func openClosed(t *testing.T) closed {
	t.Helper()
	endpoints, certified := etcdtest.StartTLS(t)
	c := closed{T: t, as: func(user access.StoreUser) *Store {
		t.Helper()
		return open(t, Config{Endpoints: endpoints, TLS: certified(string(user))})
	}}
	c.root = c.as(access.StoreRoot)
	if err := c.root.Secure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func machineNumber(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%08x%024x", n, n)) }

// worker is an enrolled worker's own connection.
func (c closed) worker(id cluster.MachineID) *Store {
	c.Helper()
	if err := c.root.Enrol(c.Context(), id); err != nil {
		c.Fatal(err)
	}
	s := c.as(access.StoreWorker(id))
	s.machine = id
	return s
}

// rangeOf is some keys: one, where the end is empty.
type rangeOf struct{ key, end string }

func below(prefix string) rangeOf { return rangeOf{prefix, clientv3.GetPrefixRangeEnd(prefix)} }

// may checks what a user may do with some keys.
func (c closed) may(s *Store, who string, keys rangeOf, read, write bool) {
	c.Helper()
	check := func(what string, err error, allowed bool) {
		c.Helper()
		switch {
		case allowed && err != nil:
			c.Errorf("%s may not %s %q to %q: %v", who, what, keys.key, keys.end, err)
		case !allowed && (err == nil || !isForbidden(err)):
			c.Errorf("%s may %s %q to %q: %v", who, what, keys.key, keys.end, err)
		}
	}
	var options []clientv3.OpOption
	version := clientv3.Compare(clientv3.Version(keys.key), ">", 0)
	if keys.end != "" {
		options = append(options, clientv3.WithRange(keys.end))
		version = version.WithRange(keys.end)
	}
	_, err := s.client.Get(c.Context(), keys.key, options...)
	check("read", err, read)
	_, err = s.client.Txn(c.Context()).If(version).Commit()
	check("compare", err, read)
	_, err = s.client.Delete(c.Context(), keys.key, options...)
	check("delete", err, write)
	if keys.end == "" {
		_, err = s.client.Put(c.Context(), keys.key, "{}")
		check("write", err, write)
		_, err = s.client.Txn(c.Context()).Else(clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpPut(keys.key, "{}")})).Commit()
		check("write in a branch", err, write)
	}
	watch := s.client.Watch(c.Context(), keys.key, append(options, clientv3.WithCreatedNotify())...)
	first := <-watch
	check("watch", first.Err(), read)
}

func TestSecure(t *testing.T) {
	c := openClosed(t)
	if err := c.root.Secure(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
	local, viewer, nobody := c.as(access.StoreLocal), c.as(access.StoreViewer), c.as("mallory")
	everything := rangeOf{firstKey, toTheEnd}
	for _, keys := range []rangeOf{{"message", ""}, below("message/"), {"/argosx", "/argosy"}, {"/argosy", ""}, {"/argosy0", toTheEnd}, {"\xff", ""}} {
		c.may(c.root, "root", keys, true, true)
		c.may(local, "local", keys, true, true)
		c.may(viewer, "viewer", keys, true, false)
		c.may(nobody, "nobody", keys, false, false)
	}
	for _, keys := range []rangeOf{{leaderKey, ""}, {foreign, ""}, below(foreign), below("/argosy/v2/"), below("/arg"), {"/a", "/b"}, everything} {
		c.may(c.root, "root", keys, true, true)
		c.may(local, "local", keys, false, false)
		c.may(viewer, "viewer", keys, false, false)
	}
	for who, s := range map[string]*Store{"local": local, "viewer": viewer, "nobody": nobody} {
		for what, err := range map[string]error{
			"enrols": s.Enrol(t.Context(), machineNumber(1)),
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

// TestWorkersRanges lists what a worker may touch, and all that it may not.
func TestWorkersRanges(t *testing.T) {
	c := openClosed(t)
	id, other := machineNumber(1), machineNumber(2)
	worker := c.worker(id)
	c.worker(other)
	for _, keys := range []rangeOf{{machineKey(id), ""}, {departedKey(id), ""}, {suspectKey(id, other), ""}, below(machineKey(id) + "/"), below(statesPrefix(id)), {stateKey(id, "web.service"), ""}} {
		c.may(worker, "a worker", keys, true, true)
	}
	for _, keys := range []rangeOf{below(placementsPrefix(id)), {placementKey(id, "web.service"), ""}, {probesKey(id), ""}} {
		c.may(worker, "a worker", keys, true, false)
	}
	for _, keys := range []rangeOf{
		{machineKey(other), ""}, {departedKey(other), ""}, {suspectKey(other, id), ""}, below(root + "machines/"),
		{machineKey(id) + "0", ""}, {machineKey(id)[:len(machineKey(id))-1], ""}, below(machineKey(id)),
		below(placementsPrefix(other)), {placementKey(other, "web.service"), ""}, below(root + "placements/"),
		below(statesPrefix(other)), {stateKey(other, "web.service"), ""}, below(root + "states/"),
		below(root + "units/"), {unitKey("web.service"), ""}, below(root + "contents/"), {contentKey("ab"), ""}, {markKey("ab"), ""},
		{labelsKey(id), ""}, {unplacedKey("web.service"), ""}, {leaderKey, ""},
		below(peopleFolder), below(tokensFolder), below(revokedFolder), {authoritiesKey, ""},
		below(auditRoot), below(root + "secrets/"), below(root), below("/argosy/v2/"), {"message", ""}, {firstKey, toTheEnd},
	} {
		c.may(worker, "a worker", keys, false, false)
	}
}

// TestEnrolOnce looks at what is written when a worker is enrolled: each auth write
// holds up all others.
func TestEnrolOnce(t *testing.T) {
	c := openClosed(t)
	id := machineNumber(1)
	changes := func() uint64 {
		status, err := c.root.client.AuthStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.AuthRevision
	}
	before := changes()
	c.worker(id)
	if wrote := changes() - before; wrote != 6 {
		t.Errorf("enrolling a worker took %d auth writes, want 6", wrote)
	}
	before = changes()
	c.worker(id)
	if wrote := changes() - before; wrote != 0 {
		t.Errorf("enrolling it again took %d auth writes, want none", wrote)
	}
	// One that was interrupted, and one of a version that granted something else.
	name := string(access.StoreWorker(id))
	if _, err := c.root.client.UserRevokeRole(t.Context(), name, name); err != nil {
		t.Fatal(err)
	}
	if _, err := c.root.client.RoleRevokePermission(t.Context(), name, statesPrefix(id), clientv3.GetPrefixRangeEnd(statesPrefix(id))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.root.client.RoleGrantPermission(t.Context(), name, leaderKey, "", clientv3.PermissionType(clientv3.PermRead)); err != nil {
		t.Fatal(err)
	}
	worker := c.worker(id)
	c.may(worker, "a worker", below(statesPrefix(id)), true, true)
	c.may(worker, "a worker", rangeOf{leaderKey, ""}, false, false)
	if err := c.root.Enrol(t.Context(), "core-01"); err == nil {
		t.Error("a machine called core-01 was enrolled")
	}
}

// TestStranger has a worker that the store does not know, or not any more, enrolled
// by its first refused call.
func TestStranger(t *testing.T) {
	c := openClosed(t)
	id := machineNumber(1)
	asked := 0
	var refuse error
	reports := make(chan error, 10)
	worker := c.as(access.StoreWorker(id))
	worker.report = func(err error) { reports <- err }
	worker.stranger.ask = func(ctx context.Context) error {
		asked++
		if refuse != nil {
			return refuse
		}
		return c.root.Enrol(ctx, id)
	}
	if _, err := worker.Machine(t.Context(), id); !errors.Is(err, cluster.ErrNotFound) || asked != 1 {
		t.Errorf("a stranger's first call, after %d enrolments: %v, want ErrNotFound after one", asked, err)
	}
	// What a worker may not do stays refused, and enrolling does not go on and on.
	for range 3 {
		if _, err := worker.Leader(t.Context()); !errors.Is(err, cluster.ErrForbidden) || asked != 1 {
			t.Errorf("after %d enrolments: %v, want ErrForbidden after one", asked, err)
		}
	}
	refuse = errors.New("core-01 is revoked")
	if _, err := c.root.Expel(t.Context(), access.Subject{Machine: id}, "alice", time.Now()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		worker.stranger.asked = time.Time{} // some time later
		if _, err := worker.Machine(t.Context(), id); !errors.Is(err, cluster.ErrForbidden) {
			t.Errorf("after it was expelled: %v, want ErrForbidden", err)
		}
	}
	if len(reports) != 1 {
		t.Fatalf("%d reports of a refused enrolment, want one", len(reports))
	}
	if err := <-reports; err.Error() != "the store does not know this machine: core-01 is revoked" {
		t.Error(err)
	}
	refuse = nil
	worker.stranger.asked = time.Time{}
	next(t, follow(t, worker, cluster.Assigned(id)), tells)
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
	if _, err := worker.Machine(t.Context(), id); !errors.Is(err, cluster.ErrForbidden) {
		t.Errorf("the expelled machine reads: %v, want ErrForbidden", err)
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
