package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/store"
	"argosy/role/registrar"
)

// atTheDoor is how many machines join at a time, less than a member's office has at once.
const atTheDoor = 8

// join has workers join by a token, from one number up to another: each makes its keys,
// a member's office gives it certificates, and it makes its first call with them. Then
// it goes: what a store knows of it stays.
func (l *lab) join(ctx context.Context, ms members, desk authority.Folder, root *store.Store, from, to int) error {
	token := access.Token{
		ID: fmt.Sprintf("join%d", to), Hash: access.HashSecret("sesame"), Kind: access.Worker,
		Uses: to - from, Expires: time.Now().Add(time.Hour), At: time.Now(),
	}
	if err := root.PutToken(ctx, token); err != nil {
		return err
	}
	j := &joiners{
		office: &registrar.Office{Register: root, Members: workersDoor{root}, Desk: desk, Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		token:  token.ID + ".sesame", members: ms,
	}
	there, err := ms.spent()
	if err != nil {
		return err
	}
	here, began := spentHere(), time.Now()
	if err := j.all(ctx, from, to); err != nil {
		return err
	}
	took, own := time.Since(began), spentHere()-here
	now, err := ms.spent()
	if err != nil {
		return err
	}
	count := time.Duration(to - from)
	each := func(all time.Duration) time.Duration { return (all / count).Round(100 * time.Microsecond) }
	l.add(fmt.Sprintf("%d workers join and make their first call, %d at a time", count, atTheDoor), "-", "%v, %v each", took.Round(100*time.Millisecond), each(took))
	l.add("  processor time for one: the three members; the office and the worker itself", "-", "%v; %v", each(now-there), each(own))
	return nil
}

// joiners are workers that join.
type joiners struct {
	office  *registrar.Office
	token   string
	members members
}

func (j *joiners) all(ctx context.Context, from, to int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var work sync.WaitGroup
	for range atTheDoor {
		work.Go(func() {
			for n := range numbers {
				if err := j.one(ctx, n); err != nil {
					cancel(fmt.Errorf("worker %d: %w", n, err))
				}
			}
		})
	}
	for n := from; n < to && ctx.Err() == nil; n++ {
		numbers <- n
	}
	close(numbers)
	work.Wait()
	return context.Cause(ctx)
}

func (j *joiners) one(ctx context.Context, n int) error {
	id := workerNumber(n)
	wish := access.Wish{
		Token: j.token, Kind: access.Worker, Name: string(id),
		Host: fmt.Sprintf("worker-%05d", n), Addresses: []string{fmt.Sprintf("10.1.%d.%d", n>>8, n&0xff)},
	}
	keys, err := authority.NewKeys(&wish)
	if err != nil {
		return err
	}
	answer, err := j.office.Admit(ctx, wish, "here")
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair([]byte(answer.Certificates.Own), []byte(keys.Own))
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(answer.Bundle))
	own, err := store.Open(store.Config{
		Endpoints: j.members[n%len(j.members):][:1].endpoints(), Machine: id, Timeout: time.Minute,
		TLS: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: trusted, Certificates: []tls.Certificate{pair}},
	})
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	if _, err := own.Machine(ctx, id); !errors.Is(err, cluster.ErrNotFound) {
		return fmt.Errorf("its own record: %w", err)
	}
	return nil
}

// workerNumber is a machine that the placements of the comparison do not go to.
func workerNumber(n int) cluster.MachineID { return machineNumber(1<<20 + n) }

// workersDoor is the store's membership for an office that no member comes to.
type workersDoor struct{ *store.Store }

func (workersDoor) Add(context.Context, string, string) (uint64, string, error) {
	return 0, "", errors.New("workers alone join here")
}

func (workersDoor) Remove(context.Context, uint64) error { return nil }
