package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

// leader is the node whose engine leads, once another one stands by that knows
// everything, and raft's leader is beside it.
func (f *fleet) leader(ctx context.Context) (*node, error) {
	l, err := f.store.Leader(ctx)
	if err != nil {
		return nil, err
	}
	var leading *node
	for _, n := range f.nodes {
		if n.engine == nil {
			continue
		}
		if err := n.await(ctx, func(s standing) bool { return s.revision > 0 }); err != nil {
			return nil, err
		}
		if n.id == l.Machine {
			leading = n
		}
	}
	if leading == nil {
		return nil, fmt.Errorf("%s leads and has no engine", l.Machine)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, err := f.client.Status(ctx, leading.member.url(2379))
		if err != nil {
			return nil, fmt.Errorf("raft's leader is not beside the engine that leads: %w", err)
		}
		if status.Leader == status.Header.MemberId {
			return leading, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// loseEngine kills the leader's engine, which systemd starts again, and returns
// how long it takes until a unit that is launched meanwhile is placed.
func (f *fleet) loseEngine(ctx context.Context) (time.Duration, error) {
	n, err := f.leader(ctx)
	if err != nil {
		return 0, err
	}
	return f.nextPlacement(ctx, func() error {
		n.engine.kill()
		go func() { _ = f.launch(ctx) }() // what is wrong with it shows in the placement that does not come
		time.Sleep(restart)
		return n.startEngine(f.members)
	})
}

// loseMachine kills the leader's machine: its engine and the member beside it.
func (f *fleet) loseMachine(ctx context.Context) (time.Duration, error) {
	n, err := f.leader(ctx)
	if err != nil {
		return 0, err
	}
	return f.nextPlacement(ctx, func() error {
		n.member.kill()
		n.engine.kill()
		n.engine = nil
		go func() { _ = f.launch(ctx) }()
		time.Sleep(detection)
		for {
			err := f.store.RevokeLease(ctx, n.lease)
			if !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
				return err
			}
		}
	})
}

// nextPlacement is the time from an accident to the placement of the unit that is
// launched next.
func (f *fleet) nextPlacement(ctx context.Context, accident func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	unit := string(unitNumber(f.units)) // that launch is about to write
	watch := f.client.Watch(clientv3.WithRequireLeader(ctx), "/argosy/v1/placements/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	began := time.Now()
	if err := accident(); err != nil {
		return 0, err
	}
	for response := range watch {
		for _, event := range response.Events {
			if strings.HasSuffix(string(event.Kv.Key), "/"+unit) {
				return time.Since(began), nil
			}
		}
	}
	return 0, fmt.Errorf("%s was not placed: %w", unit, ctx.Err())
}

func spread(all []time.Duration) string {
	slices.Sort(all)
	text := fmt.Sprintf("%.2f s", all[len(all)/2].Seconds())
	if len(all) > 1 {
		text += fmt.Sprintf(" (%.2f to %.2f)", all[0].Seconds(), all[len(all)-1].Seconds())
	}
	return text
}
