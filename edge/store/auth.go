package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"argosy/core/access"
	"argosy/core/cluster"
)

// etcd's own auth says who may touch which keys. Each of its users has one role of
// the user's name and no password: who somebody is, their certificate says.

// foreign is the folder of all facts, of this version of the layout and of others,
// and behindForeign is the first key behind it.
const foreign, behindForeign = "/argosy/", "/argosy0"

// toTheEnd is how etcd writes a range without an end, and firstKey its first key.
const toTheEnd, firstKey = "\x00", "\x00"

// outside is all that is the users' own.
func outside(kind authpb.Permission_Type) []permission {
	return []permission{{kind, firstKey, foreign}, {kind, behindForeign, toTheEnd}}
}

// workersOwn is what a worker may touch. Its record and its words lie side by side.
// There are few ranges because each is an auth write of its own, which all other
// writes wait for.
func workersOwn(id cluster.MachineID) []permission {
	below := func(kind authpb.Permission_Type, prefix string) permission {
		return permission{kind, prefix, clientv3.GetPrefixRangeEnd(prefix)}
	}
	record := machineKey(id)
	return []permission{
		{authpb.Permission_READWRITE, record, clientv3.GetPrefixRangeEnd(record + "/")},
		below(authpb.Permission_READ, placementsPrefix(id)),
		below(authpb.Permission_READWRITE, statesPrefix(id)),
	}
}

// permission is a range of keys and what may be done with it.
type permission struct {
	kind     authpb.Permission_Type
	key, end string
}

// Secure closes a new store: from then on it asks each caller who they are, and
// only members and admins may touch everything. It may be done again, and costs one
// question where it was done before.
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
	if err != nil || status.Enabled {
		return err
	}
	for user, may := range map[access.StoreUser][]permission{
		access.StoreRoot:   nil, // the role of that name may do everything
		access.StoreLocal:  outside(authpb.Permission_READWRITE),
		access.StoreViewer: outside(authpb.Permission_READ),
	} {
		if err := s.admit(ctx, user, may); err != nil {
			return err
		}
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

// Enrol has the store know a worker: which keys that machine may read and write.
// Where it does already, nothing is written.
func (s *Store) Enrol(ctx context.Context, worker cluster.MachineID) error {
	err := checkNames(worker)
	if err == nil {
		// One at a time: the store holds all writes up for each, and who asked
		// before it has to ask again.
		select {
		case s.enrolling <- struct{}{}:
			err = s.admit(ctx, access.StoreWorker(worker), workersOwn(worker))
			<-s.enrolling
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("enrol worker %q: %w", worker, err)
	}
	return nil
}

// admit has a user be there who may do so much. The user comes last, so that one
// that is there is whole; what somebody else does at the same time is not done twice.
func (s *Store) admit(ctx context.Context, user access.StoreUser, may []permission) error {
	name := string(user)
	var known *clientv3.AuthUserGetResponse
	there, err := s.ask(ctx, rpctypes.ErrUserNotFound, func(ctx context.Context) (err error) {
		known, err = s.client.UserGet(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.allow(ctx, name, may); err != nil {
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

// allow has a role say what may be done, no less and no more.
func (s *Store) allow(ctx context.Context, role string, may []permission) error {
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
	if role == string(access.StoreRoot) {
		return nil // etcd makes one range of all of it
	}
	var has []permission
	if there {
		for _, p := range known.Perm {
			has = append(has, permission{p.PermType, string(p.Key), string(p.RangeEnd)})
		}
	}
	for _, p := range may {
		if slices.Contains(has, p) {
			continue
		}
		if err := s.repeat(ctx, func(ctx context.Context) error { // the same once more changes nothing
			_, err := s.client.RoleGrantPermission(ctx, role, p.key, p.end, clientv3.PermissionType(p.kind))
			return err
		}); err != nil {
			return err
		}
	}
	for _, p := range has {
		sameRange := func(wanted permission) bool { return wanted.key == p.key && wanted.end == p.end }
		if slices.ContainsFunc(may, sameRange) {
			continue
		}
		if err := s.unless(ctx, rpctypes.ErrPermissionNotGranted, func(ctx context.Context) error {
			_, err := s.client.RoleRevokePermission(ctx, role, p.key, p.end)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// dismiss has a user and its role be gone. The user goes first: with it goes all
// that it may do.
func (s *Store) dismiss(ctx context.Context, user access.StoreUser) error {
	err := s.unless(ctx, rpctypes.ErrUserNotFound, func(ctx context.Context) error {
		_, err := s.client.UserDelete(ctx, string(user))
		return err
	})
	if err != nil {
		return err
	}
	return s.unless(ctx, rpctypes.ErrRoleNotFound, func(ctx context.Context) error {
		_, err := s.client.RoleDelete(ctx, string(user))
		return err
	})
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
