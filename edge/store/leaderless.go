package store

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/raft/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// askAgain is the pause before a call that a member without a leader has refused
// goes to the next one.
const askAgain = 50 * time.Millisecond

// onlyWithLeader has each call refused by a member that knows of no leader of
// raft's, and asks the next one, for as long as the call has. Otherwise a member
// that is cut off from the others and not from us would keep every call that its
// turn brings it until the call's end. What is refused so has not been looked at:
// even what gets one try may be sent again. So may a change that came while raft's
// leadership was on its way to another member: raft took no notice of it, for which
// etcd has no code.
func onlyWithLeader(ctx context.Context, method string, request, answer any, to *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx = clientv3.WithRequireLeader(ctx)
	for {
		err := call(ctx, method, request, answer, to, options...)
		if !errors.Is(rpctypes.Error(err), rpctypes.ErrNoLeader) && status.Convert(err).Message() != raft.ErrProposalDropped.Error() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askAgain):
		}
	}
}
