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

// renewal is the stream on which leases are kept alive. A stream for each
// renewal, as a single call needs one, costs a member three times as much.
type renewal struct {
	turn   chan struct{} // holds one while a call has the stream
	stream grpc.BidiStreamingClient[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
	end    context.CancelFunc
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
		if r.end != nil {
			r.end()
			r.stream, r.end = nil, nil
		}
		return err
	}
	if answer.TTL <= 0 {
		return rpctypes.ErrLeaseNotFound
	}
	return nil
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
