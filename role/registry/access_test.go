package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"argosy/core/access"
	"argosy/core/cluster"
)

// told is a store of registers that a test tells of.
type told chan access.Register

func (s told) FollowRegister(ctx context.Context, deliver func(access.Register) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case register := <-s:
			if err := deliver(register); err != nil {
				return err
			}
		}
	}
}

func TestAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := make(told)
		a := NewAccess(store)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		_, first, err := a.Register()
		if !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("before anything is known: %v", err)
		}
		store <- access.Register{Revision: 7}
		<-first
		known, second, err := a.Register()
		if err != nil || known.Revision != 7 {
			t.Errorf("%+v, %v", known, err)
		}
		select {
		case <-second:
			t.Error("a change is told that has not come")
		default:
		}
		store <- access.Register{Revision: 8}
		<-second
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if known, _, err := a.Register(); err != nil || known.Revision != 8 {
			t.Errorf("what was known is forgotten: %+v, %v", known, err)
		}
	})
}

// called is who a test writes as.
func called(name string) access.Caller {
	return access.Caller{Account: access.Account{Name: name, Role: access.Admin}}
}
