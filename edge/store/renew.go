package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mostMoves is how many members a renewal looks for raft's leader at in one term. One
// that cannot be reached from here, or that a relay stands before, is not looked for
// for ever: each look costs a stream.
const mostMoves = 10

// renewal is the stream on which leases are kept alive. A stream for each
// renewal, as a single call needs one, costs a member three times as much.
//
// It is to lead to raft's leader, which alone knows when leases end: any other member
// passes each renewal on to it by a request of HTTP, which costs the two of them
// several times what the renewal does. Who leads is asked once in each of raft's
// terms, and while the stream leads elsewhere the next renewal goes to the next
// member. Whichever member has it, a lease is kept.
type renewal struct {
	turn   chan struct{} // holds one while a call has the stream
	stream grpc.BidiStreamingClient[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
	end    context.CancelFunc

	term   uint64 // of raft's, in which leader leads
	leader uint64 // 0 where it is not known
	moves  int    // in this term
}

// KeepAlive refreshes a lease once. cluster.ErrLeaseGone says that it has
// ended, and with it all that was bound to it.
func (s *Store) KeepAlive(ctx context.Context, lease int64) error {
	err := s.repeat(ctx, func(ctx context.Context) error { return s.renew(ctx, lease) })
	if err != nil {
		return fmt.Errorf("keep lease %x alive: %w", lease, err)
	}
	return nil
}

// renew gives a renewal one try. A stream that has not answered in that time is
// given up, and the next one goes to the next member.
func (s *Store) renew(ctx context.Context, lease int64) error {
	r := &s.renewal
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	answer, err := s.askRenewal(ctx, lease)
	if err != nil {
		r.leave()
		return err
	}
	if s.leadsAstray(ctx, answer.GetHeader()) {
		r.moves++
		r.leave()
	}
	if answer.TTL <= 0 {
		return rpctypes.ErrLeaseNotFound
	}
	return nil
}

// leave has the next renewal take a stream of its own, to the next member.
func (r *renewal) leave() {
	if r.end != nil {
		r.end()
		r.stream, r.end = nil, nil
	}
}

func (s *Store) askRenewal(ctx context.Context, lease int64) (*pb.LeaseKeepAliveResponse, error) {
	r := &s.renewal
	fresh := r.stream == nil
	var lasting context.Context
	if fresh {
		lasting, r.end = context.WithCancel(s.client.Ctx())
	}
	defer context.AfterFunc(ctx, r.end)()
	if fresh {
		var err error
		if r.stream, err = s.leases.LeaseKeepAlive(lasting, grpc.WaitForReady(true)); err != nil {
			return nil, err
		}
	}
	if err := r.stream.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	answer, err := r.stream.Recv() // after io.EOF it says what has ended the stream
	if errors.Is(err, io.EOF) {
		err = status.Error(codes.Unavailable, "the member has ended the stream")
	}
	return answer, err
}

// leadsAstray says whether the stream, which has just been answered, is to be another.
// The renewal is done: whatever keeps the question of who leads from its answer, or
// forbids it, leaves the stream where it is.
func (s *Store) leadsAstray(ctx context.Context, from *pb.ResponseHeader) bool {
	r := &s.renewal
	if from.GetRaftTerm() != r.term {
		told, err := s.maintenance.Status(ctx, &pb.StatusRequest{})
		switch {
		case err == nil && told.GetLeader() != 0:
			r.term, r.leader, r.moves = told.GetHeader().GetRaftTerm(), told.GetLeader(), 0
		case err != nil && isForbidden(err):
			r.term, r.leader = from.GetRaftTerm(), 0
		default:
			return false // the next renewal asks
		}
	}
	return r.leader != 0 && from.GetMemberId() != r.leader && r.moves < mostMoves
}
