package access

import (
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestStoreUser(t *testing.T) {
	register := Register{
		Accounts: map[string]Account{"ann": {Role: Admin}, "otto": {Role: Operator}, "vera": {Role: Viewer}, "odd": {Role: "king"}},
		Revoked: map[Subject]Revocation{
			{Machine: other}: {Least: 2, By: "ann"},
			{Person: "vera"}: {Least: 1},
		},
	}
	for _, c := range []struct {
		who  Identity
		want StoreUser
		why  string
	}{
		{Identity{Member, string(one), 0}, "root", ""},
		{Identity{Worker, string(one), 0}, "worker", ""},
		{Identity{Local, string(one), 0}, "local", ""},
		{Identity{Person, "ann", 0}, "root", ""},
		{Identity{Person, "otto", 0}, "local", ""},
		{Identity{Person, "vera", 1}, "viewer", ""},
		{Identity{Person, "vera", 0}, "", "person vera is revoked: it has generation 0, and 1 is the least that is taken; 'fleetctl login'"},
		{Identity{Person, "eve", 0}, "", "person eve has a certificate and no account: an admin may give one with 'argosy user add'"},
		{Identity{Person, "odd", 0}, "", "no account"},
		{Identity{Worker, string(other), 2}, "worker", ""},
		{Identity{Worker, string(other), 1}, "", "generation 1, and 2 is the least that is taken since ann revoked the others; 'argosy join' gets this machine a new one"},
		{Identity{Member, string(other), 0}, "", "revoked"},
		{Identity{Local, string(other), 0}, "", "revoked"},
		{Identity{"", "", 0}, "", "nobody"},
	} {
		got, err := register.StoreUser(c.who)
		if got != c.want || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%v: %q, %v; want %q, %q", c.who, got, err, c.want, c.why)
		}
	}
}

var asWorker = Identity{Kind: Worker, Name: string(one)}

// methods are all calls that etcd serves.
func methods() []string {
	var all []string
	for _, service := range []grpc.ServiceDesc{
		pb.KV_ServiceDesc, pb.Watch_ServiceDesc, pb.Lease_ServiceDesc, pb.Cluster_ServiceDesc,
		pb.Maintenance_ServiceDesc, pb.Auth_ServiceDesc,
		v3lockpb.Lock_ServiceDesc, v3electionpb.Election_ServiceDesc, grpc_health_v1.Health_ServiceDesc,
	} {
		for _, method := range service.Methods {
			all = append(all, "/"+service.ServiceName+"/"+method.MethodName)
		}
		for _, stream := range service.Streams {
			all = append(all, "/"+service.ServiceName+"/"+stream.StreamName)
		}
	}
	return all
}

// TestEachCallIsJudged fails with each call that a newer etcd has, until somebody
// has thought about it.
func TestEachCallIsJudged(t *testing.T) {
	all := methods()
	for _, method := range all {
		if _, judged := storeCalls[method]; !judged {
			t.Errorf("nobody has said who may call %s", method)
		}
	}
	for method := range storeCalls {
		if !slices.Contains(all, method) {
			t.Errorf("etcd has no call %s", method)
		}
	}
}

// TestWhoMayCallWhat has the table again in words, so that no slip in its bits goes
// unseen.
func TestWhoMayCallWhat(t *testing.T) {
	lists := map[StoreUser]string{
		StoreWorker: `KV/Range KV/RangeStream KV/Put KV/DeleteRange KV/Txn Watch/Watch
			Lease/LeaseGrant Lease/LeaseRevoke Lease/LeaseKeepAlive Lease/LeaseTimeToLive
			Cluster/MemberList Maintenance/Status Health/Check Health/List Health/Watch`,
		StoreLocal: `KV/Range KV/RangeStream KV/Put KV/DeleteRange KV/Txn Watch/Watch
			Lease/LeaseGrant Lease/LeaseRevoke Lease/LeaseKeepAlive Lease/LeaseTimeToLive Lease/LeaseLeases
			Cluster/MemberList Maintenance/Status Auth/AuthStatus
			Lock/Lock Lock/Unlock Election/Campaign Election/Proclaim Election/Resign Election/Leader Election/Observe
			Health/Check Health/List Health/Watch`,
		StoreViewer: `KV/Range KV/RangeStream KV/Txn Watch/Watch Lease/LeaseTimeToLive Lease/LeaseLeases
			Cluster/MemberList Maintenance/Status Auth/AuthStatus Election/Leader Election/Observe
			Health/Check Health/List Health/Watch`,
		"": "", "somebody": "", "worker:" + StoreUser(one): "", "roots": "",
	}
	for user, list := range lists {
		allowed := strings.Fields(list)
		for _, method := range methods() {
			as, err := MayCall(asWorker, user, StoreCall{Method: method})
			_, short, _ := strings.Cut(method, ".")
			for strings.Contains(short, ".") {
				_, short, _ = strings.Cut(short, ".")
			}
			if want := slices.Contains(allowed, short); (err == nil) != want {
				t.Errorf("%q calls %s: %v, want it allowed: %t", user, method, err, want)
			}
			if err == nil && as != user && !(as == StoreRoot && short == "Lease/LeaseLeases") {
				t.Errorf("%q calls %s as %q", user, method, as)
			}
		}
	}
	for _, method := range append(methods(), "/etcdserverpb.KV/New") {
		if as, err := MayCall(asWorker, StoreRoot, StoreCall{Method: method}); err != nil || as != StoreRoot {
			t.Errorf("root calls %s as %q, %v", method, as, err)
		}
		for user := range lists {
			if _, err := MayCall(asWorker, user, StoreCall{Method: method + "2"}); err == nil {
				t.Errorf("%q may call what nobody has judged", user)
			}
		}
	}
}

func TestAlarms(t *testing.T) {
	const alarm = "/etcdserverpb.Maintenance/Alarm"
	for user, want := range map[StoreUser]bool{StoreRoot: true, StoreLocal: true, StoreViewer: true, StoreWorker: false} {
		if _, err := MayCall(asWorker, user, StoreCall{Method: alarm, Reads: true}); (err == nil) != want {
			t.Errorf("%s looks at alarms: %v", user, err)
		}
		if _, err := MayCall(asWorker, user, StoreCall{Method: alarm}); (err == nil) != (user == StoreRoot) {
			t.Errorf("%s ends alarms: %v", user, err)
		}
	}
}

func TestAWorkersLeases(t *testing.T) {
	mine, theirs := LeaseID(one, 1), LeaseID(other, 1)
	for _, method := range []string{"Lease/LeaseGrant", "Lease/LeaseKeepAlive", "KV/Put", "KV/Txn"} {
		for _, c := range []struct {
			leases []int64
			want   bool
		}{{nil, true}, {[]int64{mine}, true}, {[]int64{mine, theirs}, false}, {[]int64{theirs}, false}, {[]int64{0}, false}, {[]int64{-mine}, false}} {
			_, err := MayCall(asWorker, StoreWorker, StoreCall{Method: "/etcdserverpb." + method, Leases: c.leases})
			if (err == nil) != c.want {
				t.Errorf("%s of leases %x: %v", method, c.leases, err)
			}
		}
	}
	_, err := MayCall(asWorker, StoreWorker, StoreCall{Method: "/etcdserverpb.KV/Put", Leases: []int64{theirs}})
	const want = "may not use lease 06c3a01234600001, which is none of its own: a worker reads its placements, writes its own state and keeps its own leases; a member's API has the rest"
	if err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
	if _, err := MayCall(asWorker, StoreLocal, StoreCall{Method: "/etcdserverpb.KV/Put", Leases: []int64{theirs}}); err != nil {
		t.Errorf("local programs' leases have any id: %v", err)
	}
}

func TestMayAsk(t *testing.T) {
	everybody := []StoreUser{StoreRoot, StoreLocal, StoreViewer, StoreWorker, "", "somebody"}
	for request, want := range map[string]string{
		"GET /health":         "root local viewer worker",
		"GET /version":        "root local viewer worker",
		"POST /v3/kv/range":   "root local viewer worker ", // judged as a call
		"GET /metrics":        "root local viewer",
		"GET /":               "root local viewer",
		"GET /debug/vars":     "root",
		"GET /debug":          "root",
		"GET /v2/keys/a":      "root local viewer",
		"HEAD /v2/keys":       "root local viewer",
		"PUT /v2/keys/a":      "root local",
		"DELETE /v2/keys/a":   "root local",
		"POST /v2/keys":       "root local",
		"GET /v2/auth/users":  "root local viewer",
		"PUT /v2/auth/enable": "root local",
		"GET /v2/members":     "root local viewer",
		"POST /v2/members":    "root",
		"DELETE /v2/members/": "root",
		"GET /v2/machines":    "root local viewer",
		"GET /v2/stats/self":  "root local viewer",
		"GET /v2keys":         "root local viewer",
	} {
		method, path, _ := strings.Cut(request, " ")
		for _, user := range everybody {
			allowed := slices.Contains(strings.Fields(want), string(user))
			if strings.HasSuffix(want, " ") || path == "/health" || path == "/version" {
				allowed = user.caller() != 0 || user == StoreRoot
			}
			if err := MayAsk(user, method, path); (err == nil) != allowed {
				t.Errorf("%q asks %s: %v, want it allowed: %t", user, request, err, allowed)
			}
		}
	}
	err := MayAsk(StoreLocal, "POST", "/v2/members")
	const want = "may not ask POST /v2/members: it is for members and admins: ask on a member with machine.crt of /etc/argosy/pki, or with an admin's certificate"
	if err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}

// FuzzMayCall wants nobody but root to get anything that is not in the table, and
// nobody to act as root by it, but to see leases.
func FuzzMayCall(f *testing.F) {
	for _, method := range methods() {
		f.Add(string(one), "worker", method, int64(0), "")
		f.Add(string(one), "worker", method, LeaseID(one, 7), Facts+"states/"+string(one)+"/a")
		f.Add("", "local", method, LeaseID(other, 7), "a")
	}
	f.Fuzz(func(t *testing.T, name, user, method string, lease int64, key string) {
		who := Identity{Kind: Worker, Name: name}
		as, err := MayCall(who, StoreUser(user), StoreCall{Method: method, Leases: []int64{lease}, Uses: []Use{{Keys{From: key}, true}}})
		if err != nil || user == string(StoreRoot) {
			return
		}
		if !slices.Contains(methods(), method) {
			t.Errorf("%q may call %q", user, method)
		}
		if as == StoreRoot && !strings.HasSuffix(method, "/LeaseLeases") {
			t.Errorf("%q calls %q as root", user, method)
		}
		if user == string(StoreWorker) && (!OwnsLease(who.Machine(), lease) || !strings.Contains(key, "/"+name)) {
			t.Errorf("worker %q uses lease %x and writes %q", name, lease, key)
		}
	})
}
