package etcd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"argosy/edge/etcdnode"
	"argosy/edge/v2keys"
)

// keysAPI is etcd 2's keys API at this member. etcd wants its handlers before it
// starts, and they want etcd: until this member has joined it answers 503.
type keysAPI struct {
	handler atomic.Pointer[v2keys.Handler]
}

// ServeHTTP answers one request.
func (k *keysAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler := k.handler.Load()
	if handler == nil {
		http.Error(w, "this member has not joined its cluster yet", http.StatusServiceUnavailable)
		return
	}
	handler.ServeHTTP(w, r)
}

// run keeps the keys while the member serves.
func (k *keysAPI) run(faults io.Writer) func(context.Context, etcdnode.Member) {
	return func(ctx context.Context, member etcdnode.Member) {
		keys := v2keys.NewCluster(v2keys.ClusterConfig{
			Client: member.Client,
			Now:    time.Now,
			Raft: func() v2keys.Raft {
				index, term := member.Raft()
				return v2keys.Raft{Index: index, Term: term}
			},
			Report: func(err error) { fmt.Fprintf(faults, "etcd: v2 keys: %v\n", err) },
		})
		k.handler.Store(&v2keys.Handler{Keys: keys, ClusterID: strconv.FormatUint(member.ClusterID, 16), Now: time.Now})
		_ = keys.Run(ctx) // ends with ctx, which is no fault
	}
}
