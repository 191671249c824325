package etcd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"argosy/edge/etcdnode"
	"argosy/edge/v2keys"
)

// keysAPI is etcd 2's API at this member. etcd wants its handlers before it
// starts, and they want etcd: until this member has joined they answer 503.
type keysAPI struct{ keys, auth, members late }

// late is a handler that is there later.
type late struct{ handler atomic.Pointer[http.Handler] }

// ServeHTTP answers one request.
func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler := l.handler.Load()
	if handler == nil {
		http.Error(w, "this member has not joined its cluster yet", http.StatusServiceUnavailable)
		return
	}
	(*handler).ServeHTTP(w, r)
}

func (l *late) set(handler http.Handler) { l.handler.Store(&handler) }

// handlers are those of every path of the API.
func (k *keysAPI) handlers() map[string]http.Handler {
	handlers := map[string]http.Handler{}
	for handler, paths := range map[*late][]string{
		&k.keys: v2keys.KeysPaths, &k.auth: v2keys.AuthPaths, &k.members: v2keys.MembersPaths,
	} {
		for _, path := range paths {
			handlers[path] = handler
		}
	}
	return handlers
}

// run keeps the keys while the member serves.
func (k *keysAPI) run(limits v2keys.Limits, faults io.Writer) func(context.Context, etcdnode.Member) {
	report := func(err error) { fmt.Fprintf(faults, "etcd: v2 keys: %v\n", err) }
	return func(ctx context.Context, member etcdnode.Member) {
		keys := v2keys.NewCluster(v2keys.ClusterConfig{
			Client: member.Client,
			Member: strconv.FormatUint(member.ID, 16),
			Now:    time.Now,
			Limits: limits,
			Raft: func() v2keys.Raft {
				index, term := member.Raft()
				return v2keys.Raft{Index: index, Term: term}
			},
			Report: report,
		})
		id := strconv.FormatUint(member.ClusterID, 16)
		security := v2keys.NewSecurity(member.Client, keys, report)
		k.keys.set(&v2keys.Handler{Keys: keys, ClusterID: id, Now: time.Now, Security: security, Limits: limits})
		k.auth.set(&v2keys.Auth{Security: security, ClusterID: id})
		k.members.set(&v2keys.Members{
			Client: member.Client, Keys: keys, Security: security, ClusterID: id,
			Self:    func() (id, leader uint64) { return member.ID, member.Leader() },
			Removed: member.Removed, Stats: member.Stats,
		})
		var parts sync.WaitGroup
		parts.Go(func() { _ = security.Run(ctx) }) // they end with ctx, which is no fault
		_ = keys.Run(ctx)
		parts.Wait()
	}
}
