package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"argosy/core/cluster"
)

// translate turns etcd's errors into the words that callers branch on. ctx is
// the caller's: when it was the caller who gave up, that is the error.
func translate(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound):
		return cluster.ErrLeaseGone
	case isAway(err):
		return fmt.Errorf("%w: %w", cluster.ErrUnavailable, err)
	default:
		return err
	}
}

// notPrimary is etcd's lease.ErrNotPrimary, which it does not translate.
const notPrimary = "not a primary lessor"

// isAway tells of a store that cannot answer now, but may later: no member in
// reach, no leader among them, too busy, or too slow.
func isAway(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if errors.Is(rpctypes.Error(err), rpctypes.ErrTooManyRequests) {
		return true
	}
	// A member that has just lost its lead says so of leases, in no code of its own.
	if status.Convert(err).Message() == notPrimary {
		return true
	}
	var known rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &known) {
		code = known.Code()
	}
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled
}
