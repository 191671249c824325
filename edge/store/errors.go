package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	case isForbidden(err):
		return fmt.Errorf("%w: %w", cluster.ErrForbidden, err)
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
	known := rpctypes.Error(err)
	if errors.Is(known, rpctypes.ErrTooManyRequests) || errors.Is(known, rpctypes.ErrAuthOldRevision) {
		return true
	}
	// A member that has just lost its lead says so of leases, in no code of its own.
	if status.Convert(err).Message() == notPrimary {
		return true
	}
	code := codeOf(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled
}

// isForbidden tells of a caller who may not do that, or whom the store does not know.
// Of a watch etcd says so in words alone.
func isForbidden(err error) bool {
	return strings.HasSuffix(err.Error(), rpctypes.ErrPermissionDenied.Error()) || codeOf(err) == codes.PermissionDenied || errors.Is(rpctypes.Error(err), rpctypes.ErrUserNotFound)
}

func codeOf(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}
