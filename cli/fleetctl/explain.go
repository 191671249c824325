package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/client"
)

// explain gives an error its exit code, and says what to do about it.
func explain(err error) error {
	var (
		coded       *cli.CodedError
		answered    *api.Error
		unreachable *client.UnreachableError
	)
	switch {
	case err == nil || errors.As(err, &coded):
		return err
	case errors.As(err, &answered):
		if answered.Hint != "" {
			err = fmt.Errorf("%w; %s", err, answered.Hint)
		}
	case errors.As(err, &unreachable) && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)):
		err = fmt.Errorf("%w; is fleet.service running there? --endpoint or %s names another machine", err, environment("endpoint"))
	case errors.As(err, &unreachable) && errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; are you in the group fleet?", err)
	}
	return cli.Coded(exitCode(err), err)
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return cli.ExitNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return cli.ExitTimeout
	default:
		return cli.Code(err)
	}
}

// tell prints an error of one thing among several, and returns its exit code.
func (s *session) tell(err error) int {
	err = explain(err)
	fmt.Fprintln(s.err, err)
	return cli.Code(err)
}
