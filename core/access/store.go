package access

import (
	"fmt"
	"strings"
)

// StoreUser is whom somebody acts as in the store: a user of etcd's own auth, which
// says what keys may be touched.
type StoreUser string

const (
	StoreRoot   StoreUser = "root"   // everything
	StoreLocal  StoreUser = "local"  // all that lies outside /argosy/
	StoreViewer StoreUser = "viewer" // reads
	StoreWorker StoreUser = "worker" // what workers do, each within what is its own
)

// StoreUser is whom the holder of a certificate acts as in the store, or why they
// may not enter.
func (r Register) StoreUser(who Identity) (StoreUser, error) {
	if revoked := r.Revoked[who.Subject()]; revoked.Refuses(who) {
		return "", fmt.Errorf("the certificate of %s is revoked: it has generation %d, and %s", who, who.Generation, revoked.words(who))
	}
	switch who.Kind {
	case Member:
		return StoreRoot, nil
	case Worker:
		return StoreWorker, nil
	case Local:
		return StoreLocal, nil
	case Person:
		return storeUserOf(who, r.Accounts[who.Name].Role)
	}
	return "", fmt.Errorf("%s is nobody that the store knows", who)
}

// words say since when which certificates are taken, and what to do.
func (r Revocation) words(who Identity) string {
	by, instead := "", "'argosy join' gets this machine a new one"
	if r.By != "" {
		by = " since " + r.By + " revoked the others"
	}
	if who.Kind == Person {
		instead = "'fleetctl login' with a new token gets one"
	}
	return fmt.Sprintf("%d is the least that is taken%s; %s", r.Least, by, instead)
}

func storeUserOf(who Identity, role Role) (StoreUser, error) {
	switch role {
	case Admin:
		return StoreRoot, nil
	case Operator:
		return StoreLocal, nil
	case Viewer:
		return StoreViewer, nil
	}
	return "", fmt.Errorf("%s has a certificate and no account: an admin may give one with 'argosy user add'", who)
}

// GuardField is the metadata by which a guarded member says that it is one, in its
// answer to the question of whether the store is closed.
const GuardField = "argosy-guard"

// StoreCall is one call of etcd's API, as far as it matters for who may make it.
type StoreCall struct {
	Method string  // as gRPC writes it: /etcdserverpb.KV/Range
	Reads  bool    // of a call that either looks or changes something: that it looks
	Leases []int64 // those that it grants, keeps, ends, looks at or binds keys to
	Uses   []Use   // keys that it touches, or would if its comparisons went so
	Fault  string  // why what it says cannot be judged
}

// callers are who may make a call, beside root, who may make each.
type callers uint8

const (
	byRoot   callers = 0
	byWorker callers = 1 << iota
	byLocal
	byViewer
	toRead // those only where it looks
	asRoot // etcd would refuse them, because it asks for all keys below /argosy/

	byLookers = byLocal | byViewer
	byAll     = byWorker | byLookers
)

// storeCalls are all calls there are; one that is not here is root's.
var storeCalls = map[string]callers{
	"/etcdserverpb.KV/Range":       byAll,
	"/etcdserverpb.KV/RangeStream": byAll,
	"/etcdserverpb.KV/Put":         byWorker | byLocal,
	"/etcdserverpb.KV/DeleteRange": byWorker | byLocal,
	"/etcdserverpb.KV/Txn":         byAll,
	"/etcdserverpb.KV/Compact":     byRoot,
	"/etcdserverpb.Watch/Watch":    byAll,

	"/etcdserverpb.Lease/LeaseGrant":      byWorker | byLocal,
	"/etcdserverpb.Lease/LeaseRevoke":     byWorker | byLocal,
	"/etcdserverpb.Lease/LeaseKeepAlive":  byWorker | byLocal,
	"/etcdserverpb.Lease/LeaseTimeToLive": byAll,
	"/etcdserverpb.Lease/LeaseLeases":     byLookers | asRoot,

	"/etcdserverpb.Cluster/MemberList":    byAll, // whoever has to find them
	"/etcdserverpb.Cluster/MemberAdd":     byRoot,
	"/etcdserverpb.Cluster/MemberRemove":  byRoot,
	"/etcdserverpb.Cluster/MemberUpdate":  byRoot,
	"/etcdserverpb.Cluster/MemberPromote": byRoot,

	"/etcdserverpb.Maintenance/Status":     byAll, // a worker keeps its lease where it is told that raft's leader is
	"/etcdserverpb.Maintenance/Alarm":      byLookers | toRead,
	"/etcdserverpb.Maintenance/Hash":       byRoot, // reads the whole store
	"/etcdserverpb.Maintenance/HashKV":     byRoot,
	"/etcdserverpb.Maintenance/Snapshot":   byRoot,
	"/etcdserverpb.Maintenance/Defragment": byRoot,
	"/etcdserverpb.Maintenance/MoveLeader": byRoot,
	"/etcdserverpb.Maintenance/Downgrade":  byRoot,

	"/etcdserverpb.Auth/AuthStatus":           byLookers,
	"/etcdserverpb.Auth/AuthEnable":           byRoot,
	"/etcdserverpb.Auth/AuthDisable":          byRoot,
	"/etcdserverpb.Auth/Authenticate":         byRoot, // nobody has a password
	"/etcdserverpb.Auth/UserAdd":              byRoot,
	"/etcdserverpb.Auth/UserGet":              byRoot,
	"/etcdserverpb.Auth/UserList":             byRoot,
	"/etcdserverpb.Auth/UserDelete":           byRoot,
	"/etcdserverpb.Auth/UserChangePassword":   byRoot,
	"/etcdserverpb.Auth/UserGrantRole":        byRoot,
	"/etcdserverpb.Auth/UserRevokeRole":       byRoot,
	"/etcdserverpb.Auth/RoleAdd":              byRoot,
	"/etcdserverpb.Auth/RoleGet":              byRoot,
	"/etcdserverpb.Auth/RoleList":             byRoot,
	"/etcdserverpb.Auth/RoleDelete":           byRoot,
	"/etcdserverpb.Auth/RoleGrantPermission":  byRoot,
	"/etcdserverpb.Auth/RoleRevokePermission": byRoot,

	"/v3lockpb.Lock/Lock":             byLocal,
	"/v3lockpb.Lock/Unlock":           byLocal,
	"/v3electionpb.Election/Campaign": byLocal,
	"/v3electionpb.Election/Proclaim": byLocal,
	"/v3electionpb.Election/Resign":   byLocal,
	"/v3electionpb.Election/Leader":   byLookers,
	"/v3electionpb.Election/Observe":  byLookers,

	"/grpc.health.v1.Health/Check": byAll,
	"/grpc.health.v1.Health/List":  byAll,
	"/grpc.health.v1.Health/Watch": byAll,
}

// MayCall says as whom the call of somebody who is that user is made, or why it is not,
// in words that follow who they are. Of a worker it judges leases and keys too, by its
// machine's id: they must be its own. Which keys others may touch is for etcd's auth to
// say, which goes by the user.
func MayCall(who Identity, user StoreUser, call StoreCall) (StoreUser, error) {
	if user == StoreRoot {
		return user, nil
	}
	may := storeCalls[call.Method]
	if may&user.caller() == 0 || may&toRead != 0 && !call.Reads {
		return "", refuseStore(user, "may not call "+call.Method)
	}
	if user == StoreWorker {
		if beyond := beyondItsOwn(who, call); beyond != "" {
			return "", refuseStore(user, "may not "+beyond)
		}
	}
	if may&asRoot != 0 {
		return StoreRoot, nil
	}
	return user, nil
}

// beyondItsOwn is what a call does that its worker may not; empty where there is nothing.
func beyondItsOwn(worker Identity, call StoreCall) string {
	if call.Fault != "" {
		return "call " + call.Method + ": " + call.Fault
	}
	for _, lease := range call.Leases {
		if !OwnsLease(worker.Machine(), lease) {
			return fmt.Sprintf("use lease %016x, which is none of its own", lease)
		}
	}
	if use, found := outsideOf(ownOf(worker.Machine()), call.Uses); found {
		does := "read"
		if use.Writes {
			does = "write"
		}
		return does + " " + use.Keys.String()
	}
	return ""
}

func (u StoreUser) caller() callers {
	switch u {
	case StoreLocal:
		return byLocal
	case StoreViewer:
		return byViewer
	case StoreWorker:
		return byWorker
	case StoreRoot:
	}
	return 0
}

// MayAsk says why a user may not make an HTTP request of the store that is no call:
// etcd 2's API, health, metrics. Calls as JSON, below /v3/, are judged as calls.
// The words follow the user's name.
func MayAsk(user StoreUser, method, path string) error {
	looks := method == "GET" || method == "HEAD" || method == "OPTIONS"
	below := func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
	worker, allowed := user == StoreWorker, user.caller() != 0
	switch {
	case user == StoreRoot:
		return nil
	case below("/v3"), below("/v3beta"), path == "/health", path == "/version":
	case below("/debug"):
		allowed = false
	case below("/v2/members"), below("/v2/stats"), below("/v2/machines"):
		allowed = allowed && !worker && looks
	case below("/v2"):
		allowed = allowed && !worker && (looks || user == StoreLocal)
	default:
		allowed = allowed && !worker
	}
	if allowed {
		return nil
	}
	return refuseStore(user, "may not ask "+method+" "+path)
}

// refuseStore says what to do instead.
func refuseStore(user StoreUser, what string) error {
	instead := "it is for members and admins"
	switch user.caller() {
	case byWorker:
		instead = "a worker reads its placements, writes its own state and keeps its own leases; a member's API has the rest"
	case byLocal:
		instead = "it is for members and admins: ask on a member with machine.crt of /etc/argosy/pki, or with an admin's certificate"
	case byViewer:
		instead = "a viewer looks, and changes nothing"
	}
	return fmt.Errorf("%s: %s", what, instead)
}
