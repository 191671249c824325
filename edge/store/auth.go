package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"argosy/core/access"
)

// etcd's own auth says who may touch which keys, as core/access lists it. Each of its
// users has one role of the user's name and no password: who somebody is, their
// certificate says.

// Secure closes a store: from then on it asks each caller who they are, and only
// members and admins may touch everything. Where that was done before it puts right
// which of etcd's users are missing, or what their roles let them do.
func (s *Store) Secure(ctx context.Context) error {
	if err := s.secure(ctx); err != nil {
		return fmt.Errorf("close the store to those who are nobody: %w", err)
	}
	return nil
}

func (s *Store) secure(ctx context.Context) error {
	var status *clientv3.AuthStatusResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		status, err = s.client.AuthStatus(ctx)
		return err
	})
	if err != nil {
		return err
	}
	users := access.StoreUsers()
	faults := make([]error, len(users))
	var all sync.WaitGroup
	for i, user := range users { // together: a leader waits for it before it decides
		all.Go(func() { faults[i] = s.admit(ctx, user) })
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil || status.Enabled {
		return err
	}
	return s.repeat(ctx, func(ctx context.Context) error {
		_, err := s.client.AuthEnable(ctx)
		return err
	})
}

// Guarded says whether members take their callers for who their certificates say
// they are. etcd by itself goes by another name in them: it would know nobody once
// the store is closed, and nobody could open it again.
func (s *Store) Guarded(ctx context.Context) (bool, error) {
	var said metadata.MD
	err := s.repeat(ctx, func(ctx context.Context) error {
		_, err := pb.NewAuthClient(s.client.ActiveConnection()).AuthStatus(ctx, &pb.AuthStatusRequest{}, grpc.Header(&said))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask whether the store's members are guarded: %w", err)
	}
	return len(said.Get(access.GuardField)) > 0, nil
}

// admit has a user be there who may do what is permitted, no more and no less. What
// somebody else does at the same time is not done twice.
func (s *Store) admit(ctx context.Context, user access.StoreUser) error {
	name := string(user)
	var known *clientv3.AuthUserGetResponse
	there, err := s.ask(ctx, rpctypes.ErrUserNotFound, func(ctx context.Context) (err error) {
		known, err = s.client.UserGet(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.allow(ctx, user); err != nil {
		return err
	}
	if !there {
		if err := s.unless(ctx, rpctypes.ErrUserAlreadyExist, func(ctx context.Context) error {
			_, err := s.client.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true})
			return err
		}); err != nil {
			return err
		}
	} else if slices.Contains(known.Roles, name) {
		return nil
	}
	return s.repeat(ctx, func(ctx context.Context) error { // etcd ignores a second time
		_, err := s.client.UserGrantRole(ctx, name, name)
		return err
	})
}

// allow has a user's role say what may be done.
func (s *Store) allow(ctx context.Context, user access.StoreUser) error {
	role := string(user)
	var known *clientv3.AuthRoleGetResponse
	there, err := s.ask(ctx, rpctypes.ErrRoleNotFound, func(ctx context.Context) (err error) {
		known, err = s.client.RoleGet(ctx, role)
		return err
	})
	if err != nil {
		return err
	}
	if !there {
		if err := s.unless(ctx, rpctypes.ErrRoleAlreadyExist, func(ctx context.Context) error {
			_, err := s.client.RoleAdd(ctx, role)
			return err
		}); err != nil {
			return err
		}
	}
	if user == access.StoreRoot {
		return nil // etcd makes one range of all of it
	}
	has := map[access.Keys]authpb.Permission_Type{}
	if there {
		for _, p := range known.Perm {
			has[access.Keys{From: string(p.Key), End: string(p.RangeEnd)}] = p.PermType
		}
	}
	for _, may := range user.Permitted() {
		kind := authpb.Permission_READ
		if may.Writes {
			kind = authpb.Permission_READWRITE
		}
		was, granted := has[may.Keys]
		delete(has, may.Keys)
		if granted && was == kind {
			continue
		}
		if err := s.repeat(ctx, func(ctx context.Context) error { // the same once more changes nothing
			_, err := s.client.RoleGrantPermission(ctx, role, may.From, may.End, clientv3.PermissionType(kind))
			return err
		}); err != nil {
			return err
		}
	}
	for keys := range has { // that nobody is to touch as this user
		if err := s.unless(ctx, rpctypes.ErrPermissionNotGranted, func(ctx context.Context) error {
			_, err := s.client.RoleRevokePermission(ctx, role, keys.From, keys.End)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// ask asks for something and says whether it is there: missing is etcd's word that
// it is not.
func (s *Store) ask(ctx context.Context, missing error, question func(context.Context) error) (there bool, err error) {
	there = true
	err = s.repeat(ctx, func(ctx context.Context) error {
		err := question(ctx)
		if errors.Is(rpctypes.Error(err), missing) {
			there, err = false, nil
		}
		return err
	})
	return there, err
}

// unless does something that may be done again: done is etcd's word that it is so
// already.
func (s *Store) unless(ctx context.Context, done error, op func(context.Context) error) error {
	_, err := s.ask(ctx, done, op)
	return err
}
