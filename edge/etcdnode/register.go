package etcdnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
)

// The facts that the guard goes by; edge/store writes them. They are read here once
// more because a member must know them before anybody can call it.
const (
	peopleFolder  = access.Facts + "people/"
	revokedFolder = access.Facts + "revoked/"
)

// followAgain is the pause after a fault in following.
const followAgain = 200 * time.Millisecond

// follow keeps the register what the store says until ctx ends. After a fault the
// one before stands, and nobody is let in by it who was not before.
func (f *front) follow(ctx context.Context, client *clientv3.Client, revision int64) {
	for reported := ""; ctx.Err() == nil; {
		err := f.awaitChange(ctx, client, revision)
		var now int64
		if err == nil {
			now, err = f.load(ctx, client)
		}
		if err == nil {
			revision, reported = now, ""
			continue
		}
		if ctx.Err() == nil && err.Error() != reported {
			reported = err.Error()
			f.guard.Report(fmt.Errorf("follow who may do what: %w", err))
		}
		select {
		case <-time.After(followAgain):
		case <-ctx.Done():
		}
		if now, err := f.load(ctx, client); err == nil { // also where the revision was compacted
			revision = now
		}
	}
}

// awaitChange returns when a fact has changed after a revision.
func (f *front) awaitChange(ctx context.Context, client *clientv3.Client, revision int64) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watch := func(folder string) clientv3.WatchChan {
		return client.Watch(ctx, folder, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	}
	people, revoked := watch(peopleFolder), watch(revokedFolder)
	for {
		var response clientv3.WatchResponse
		var open bool
		select {
		case response, open = <-people:
		case response, open = <-revoked:
		}
		switch {
		case !open:
			return errors.New("the watch ended")
		case response.Err() != nil:
			return response.Err()
		case len(response.Events) > 0:
			return nil
		}
	}
}

// readRegister reads people and revocations at one revision of this member's data.
func readRegister(ctx context.Context, client *clientv3.Client, report func(error)) (access.Register, error) {
	folder := func(name string) clientv3.Op {
		return clientv3.OpGet(name, clientv3.WithPrefix(), clientv3.WithSerializable())
	}
	response, err := client.Txn(ctx).Then(folder(peopleFolder), folder(revokedFolder)).Commit()
	if err != nil {
		return access.Register{}, err
	}
	register := access.Register{
		Revision: response.Header.Revision,
		Accounts: map[string]access.Account{},
		Revoked:  map[access.Subject]access.Revocation{},
	}
	for _, kv := range response.Responses[0].GetResponseRange().Kvs {
		account := access.Account{Name: strings.TrimPrefix(string(kv.Key), peopleFolder)}
		err := json.Unmarshal(kv.Value, &account)
		if err == nil {
			err = account.Check()
		}
		if err != nil { // who has no account that can be read has none
			report(fmt.Errorf("read %s: %w", kv.Key, err))
			continue
		}
		register.Accounts[account.Name] = account
	}
	for _, kv := range response.Responses[1].GetResponseRange().Kvs {
		subject, err := access.ParseSubject(strings.TrimPrefix(string(kv.Key), revokedFolder))
		if err != nil {
			report(fmt.Errorf("read %s: %w", kv.Key, err))
			continue
		}
		var revocation access.Revocation
		if err := json.Unmarshal(kv.Value, &revocation); err != nil {
			report(fmt.Errorf("read %s: %w", kv.Key, err))
			revocation.Least = math.MaxUint64 // a slip lets nobody in
		}
		register.Revoked[subject] = revocation
	}
	return register, nil
}
