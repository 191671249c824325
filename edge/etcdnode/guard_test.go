package etcdnode

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"argosy/core/access"
)

const (
	ownState     = "/argosy/v1/states/" + machineB + "/a.service"
	ownPlacement = "/argosy/v1/placements/" + machineB + "/a.service"
	otherState   = "/argosy/v1/states/" + machineA + "/a.service"
)

// refused wants an error of a call that the guard or etcd has refused, with words in it.
func refused(t *testing.T, what string, err error, words string) {
	t.Helper()
	if !isRefusal(err) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v; want it refused with %q", what, err, words)
	}
}

// TestEachKindMakesItsCalls makes the same calls as everybody, through etcd's auth.
func TestEachKindMakesItsCalls(t *testing.T) {
	w := begin(t, nil)
	for name, role := range map[string]string{"ann": "admin", "otto": "operator", "vera": "viewer"} {
		_, err := w.member.Client.Put(t.Context(), "/argosy/v1/people/"+name, `{"role":"`+role+`"}`)
		w.must(err)
	}
	w.shut()
	const (
		worker, local, viewer, root = 1, 2, 4, 8
	)
	as := map[int]*clientv3.Client{
		worker: w.client(asWorker), local: w.client(asLocal), root: w.client(asMember), viewer: w.client(person("vera")),
	}
	operator, admin := w.client(person("otto")), w.client(person("ann"))
	w.until("the guard knows people", func() error {
		_, err := operator.Get(t.Context(), "a")
		_, more := admin.Get(t.Context(), "/argosy/")
		_, most := as[viewer].Get(t.Context(), "a")
		return first(err, more, most)
	})
	own := access.LeaseID(machineB, 1)
	watch := func(key string) func(*clientv3.Client) error {
		return func(c *clientv3.Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			response := <-c.Watch(ctx, key, clientv3.WithCreatedNotify())
			return response.Err()
		}
	}
	lock := func(name string) func(*clientv3.Client) error {
		return func(c *clientv3.Client) error {
			locks := v3lockpb.NewLockClient(c.ActiveConnection())
			lock, err := locks.Lock(t.Context(), &v3lockpb.LockRequest{Name: []byte(name)})
			if err == nil {
				_, err = locks.Unlock(t.Context(), &v3lockpb.UnlockRequest{Key: lock.Key})
			}
			return err
		}
	}
	for _, call := range []struct {
		what string
		may  int // beside root
		make func(c *clientv3.Client) error
	}{
		{"read its placement", worker, func(c *clientv3.Client) error { _, err := c.Get(t.Context(), ownPlacement); return err }},
		{"read its placements", worker, func(c *clientv3.Client) error {
			_, err := c.Get(t.Context(), "/argosy/v1/placements/"+machineB+"/", clientv3.WithPrefix())
			return err
		}},
		{"read all after its placements", 0, func(c *clientv3.Client) error {
			_, err := c.Get(t.Context(), ownPlacement, clientv3.WithFromKey())
			return err
		}},
		{"read everything", 0, func(c *clientv3.Client) error {
			_, err := c.Get(t.Context(), "\x00", clientv3.WithFromKey())
			return err
		}},
		{"write its state", worker, func(c *clientv3.Client) error { _, err := c.Put(t.Context(), ownState, "x"); return err }},
		{"write its placement", 0, func(c *clientv3.Client) error { _, err := c.Put(t.Context(), ownPlacement, "x"); return err }},
		{"write another's state", 0, func(c *clientv3.Client) error { _, err := c.Put(t.Context(), otherState, "x"); return err }},
		{"delete another's state", 0, func(c *clientv3.Client) error { _, err := c.Delete(t.Context(), otherState); return err }},
		{"write in a nested transaction", 0, func(c *clientv3.Client) error {
			inner := clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut(otherState, "x")}, nil)
			_, err := c.Txn(t.Context()).Then(clientv3.OpTxn(nil, nil, []clientv3.Op{inner})).Commit()
			return err
		}},
		{"compare another's state", 0, func(c *clientv3.Client) error {
			_, err := c.Txn(t.Context()).If(clientv3.Compare(clientv3.Value(otherState), "=", "x")).Then(clientv3.OpGet(ownState)).Commit()
			return err
		}},
		{"watch its placement", worker, watch(ownPlacement)},
		{"watch another's state", 0, watch(otherState)},
		{"write outside /argosy/", local, func(c *clientv3.Client) error { _, err := c.Put(t.Context(), "a", "x"); return err }},
		{"read outside /argosy/", local | viewer, func(c *clientv3.Client) error { _, err := c.Get(t.Context(), "a"); return err }},
		{"watch outside /argosy/", local | viewer, watch("a")},
		{"read people", 0, func(c *clientv3.Client) error { _, err := c.Get(t.Context(), peopleFolder+"ann"); return err }},
		{"grant a lease of the worker's", worker | local, func(c *clientv3.Client) error {
			_, err := pb.NewLeaseClient(c.ActiveConnection()).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 60, ID: own})
			if err == nil {
				_, err = c.Revoke(t.Context(), clientv3.LeaseID(own))
			}
			return err
		}},
		{"grant any lease", local, func(c *clientv3.Client) error { _, err := c.Grant(t.Context(), 60); return err }},
		{"list leases", local | viewer, func(c *clientv3.Client) error { _, err := c.Leases(t.Context()); return err }},
		{"list members", worker | local | viewer, func(c *clientv3.Client) error { _, err := c.MemberList(t.Context()); return err }},
		{"see status", worker | local | viewer, func(c *clientv3.Client) error { _, err := c.Status(t.Context(), w.address); return err }},
		{"see alarms", local | viewer, func(c *clientv3.Client) error { _, err := c.AlarmList(t.Context()); return err }},
		{"end alarms", 0, func(c *clientv3.Client) error {
			_, err := c.AlarmDisarm(t.Context(), &clientv3.AlarmMember{Alarm: pb.AlarmType_NOSPACE})
			return err
		}},
		{"hash", 0, func(c *clientv3.Client) error { _, err := c.HashKV(t.Context(), w.address, 0); return err }},
		{"compact", 0, func(c *clientv3.Client) error { _, err := c.Compact(t.Context(), 1); return refusalOf(err) }},
		{"defragment", 0, func(c *clientv3.Client) error { _, err := c.Defragment(t.Context(), w.address); return err }},
		{"take a snapshot", 0, func(c *clientv3.Client) error {
			reader, err := c.Snapshot(t.Context())
			if err == nil {
				_, err = io.Copy(io.Discard, reader)
			}
			return err
		}},
		{"add a member", 0, func(c *clientv3.Client) error {
			_, err := c.MemberAddAsLearner(t.Context(), []string{"http://127.0.0.1:0"})
			return refusalOf(err)
		}},
		{"list users", 0, func(c *clientv3.Client) error { _, err := c.UserList(t.Context()); return err }},
		{"disable auth", 0, func(c *clientv3.Client) error {
			if c == as[root] || c == admin {
				return nil
			}
			_, err := c.AuthDisable(t.Context())
			return err
		}},
		{"lock", local, lock("l")},
		{"lock inside /argosy/", 0, lock("/argosy/v1/l")},
		{"observe inside /argosy/", 0, func(c *clientv3.Client) error {
			if c == as[root] || c == admin {
				return nil // it would wait for a leader
			}
			observing, err := v3electionpb.NewElectionClient(c.ActiveConnection()).Observe(t.Context(), &v3electionpb.LeaderRequest{Name: []byte("/argosy/v1/l")})
			if err == nil {
				_, err = observing.Recv()
			}
			if err == io.EOF { // etcd's server says no more than that it is over
				err = status.Error(codes.PermissionDenied, "ended")
			}
			return err
		}},
	} {
		for who, client := range map[string]*clientv3.Client{
			"worker": as[worker], "local": as[local], "viewer": as[viewer], "root": as[root], "admin": admin, "operator": operator,
		} {
			may := map[string]int{"worker": worker, "local": local, "operator": local, "viewer": viewer, "root": root, "admin": root}[who]
			err := call.make(client)
			if (call.may|root)&may != 0 {
				if err != nil {
					t.Errorf("%s: %s: %v", who, call.what, err)
				}
			} else if !isRefusal(err) {
				t.Errorf("%s: %s: %v; want it refused", who, call.what, err)
			}
		}
	}
}

// refusalOf leaves out what is wrong with a call that was let through.
func refusalOf(err error) error {
	if isRefusal(err) {
		return err
	}
	return nil
}

func isRefusal(err error) bool {
	return err != nil && (status.Code(err) == codes.PermissionDenied || strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "may not"))
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestAHostileWorker speaks to etcd as no client of ours does.
func TestAHostileWorker(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	root, worker := w.client(asMember), w.client(asWorker)
	theirs, err := root.Grant(t.Context(), 3600)
	w.must(err)
	theirID := int64(theirs.ID)
	conn := worker.ActiveConnection()
	kv, lease := pb.NewKVClient(conn), pb.NewLeaseClient(conn)

	_, err = lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 60})
	refused(t, "a lease of etcd's choice", err, "worker "+machineB+" may not use lease 0000000000000000, which is none of its own: a worker reads its placements")
	_, err = lease.LeaseRevoke(t.Context(), &pb.LeaseRevokeRequest{ID: theirID})
	refused(t, "revoking another's lease", err, "none of its own")
	_, err = lease.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: theirID})
	refused(t, "looking at another's lease", err, "none of its own")
	keeping, err := lease.LeaseKeepAlive(t.Context())
	w.must(err)
	w.must(keeping.Send(&pb.LeaseKeepAliveRequest{ID: theirID}))
	_, err = keeping.Recv()
	refused(t, "keeping another's lease", err, "none of its own")
	put := &pb.PutRequest{Key: []byte(ownState), Lease: theirID}
	_, err = kv.Put(t.Context(), put)
	refused(t, "binding a key to another's lease", err, "none of its own")
	txn := &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: put}}}}
	for range 3 {
		_, err = kv.Txn(t.Context(), txn)
		refused(t, "binding a key to another's lease in a transaction", err, "none of its own")
		txn = &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: txn}}}}
	}

	// Whatever says that the caller is somebody else is not believed.
	for _, lie := range []metadata.MD{
		metadata.Pairs("token", "root"), metadata.Pairs("authorization", "Bearer root"),
		metadata.Pairs(kindField, "member", nameField, machineA, userField, "root"),
		metadata.Pairs("store-user", "root"), metadata.Pairs("grpcgateway-accept", "x"),
	} {
		_, err := kv.Range(metadata.NewOutgoingContext(t.Context(), lie), &pb.RangeRequest{Key: []byte(otherState)})
		refused(t, "another's state", err, `may not read key "`+otherState+`": a worker reads its placements`)
	}
	_, err = pb.NewAuthClient(conn).Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "root", Password: ""})
	refused(t, "a login", err, "may not call /etcdserverpb.Auth/Authenticate")
	own := access.LeaseID(machineB, 7)
	_, err = lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 60, ID: own})
	w.must(err)
	_, err = kv.Put(t.Context(), &pb.PutRequest{Key: []byte(ownState), Lease: own})
	w.must(err)
	if response, err := worker.KeepAliveOnce(t.Context(), clientv3.LeaseID(own)); err != nil || response.TTL != 60 {
		t.Errorf("its own lease is kept: %+v, %v", response, err)
	}
}

// TestWritesWhileUsersChange writes as everybody while etcd's users change, over and
// over: it refuses what began before such a change, and nobody is to notice.
func TestWritesWhileUsersChange(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	root := w.client(asMember)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	for name, write := range map[string]func(i int) error{
		"a worker": func() func(int) error {
			worker := w.client(asWorker)
			return func(int) error { _, err := worker.Put(t.Context(), ownState, "x"); return err }
		}(),
		"the process": func(int) error { _, err := w.member.Client.Put(t.Context(), otherState, "x"); return err },
		"local": func() func(int) error {
			local := w.client(asLocal)
			return func(int) error { _, err := local.Get(t.Context(), "a"); return err }
		}(),
	} {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := write(i); err != nil {
					t.Errorf("%s, the %dth: %v", name, i, err)
					return
				}
			}
		})
	}
	for i := range 50 {
		_, err := root.RoleGrantPermission(t.Context(), "viewer", fmt.Sprintf("seen-%d", i), "", clientv3.PermissionType(clientv3.PermRead))
		w.must(err)
	}
	stop()
	writers.Wait()
}

// TestWhoWaitsForALock has somebody of less rights wait first, and on: etcd's lock
// server watches through one client in the process for all.
func TestWhoWaitsForALock(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	waiting := []chan error{make(chan error, 1), make(chan error, 1)}
	var ends []func()
	for i, c := range []struct {
		client *clientv3.Client
		name   string
	}{{w.client(asLocal), "l"}, {w.client(asMember), "/argosy/l"}} {
		locks := v3lockpb.NewLockClient(c.client.ActiveConnection())
		held, err := locks.Lock(t.Context(), &v3lockpb.LockRequest{Name: []byte(c.name)})
		w.must(err)
		before := watchers(t)
		go func() {
			_, err := locks.Lock(t.Context(), &v3lockpb.LockRequest{Name: []byte(c.name)})
			waiting[i] <- err
		}()
		w.until("somebody watches "+c.name, func() error {
			select {
			case err := <-waiting[i]:
				t.Fatalf("the second at %s waits no more: %v", c.name, err)
			default:
			}
			if now := watchers(t); now <= before {
				return fmt.Errorf("%v watch", now)
			}
			return nil
		})
		ends = append(ends, func() {
			_, err := locks.Unlock(t.Context(), &v3lockpb.UnlockRequest{Key: held.Key})
			w.must(err)
		})
	}
	for i, end := range ends {
		end()
		if err := <-waiting[i]; err != nil {
			t.Errorf("the second of %d: %v", i, err)
		}
	}
}

// watchers is how many etcd counts in this process.
func watchers(t *testing.T) float64 {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == "etcd_debugging_mvcc_watcher_total" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("etcd does not count its watchers")
	return 0
}
