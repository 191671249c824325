package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// MoveLeadership has raft's leadership move to the member at a host, unless it is
// there already. Meanwhile, for less than a heartbeat or two, writes are dropped by
// raft; whoever asks for them asks again.
func (s *Store) MoveLeadership(ctx context.Context, host string) error {
	err := s.once(ctx, func(ctx context.Context) error { return s.moveLeadership(ctx, host) })
	if err != nil {
		return fmt.Errorf("move the store's leadership to %s: %w", host, err)
	}
	return nil
}

func (s *Store) moveLeadership(ctx context.Context, host string) error {
	members, err := s.client.MemberList(ctx)
	if err != nil {
		return err
	}
	var to uint64
	at := map[uint64]string{}
	for _, m := range members.Members {
		for _, client := range m.ClientURLs {
			at[m.ID] = client
			if place, err := url.Parse(client); err == nil && place.Hostname() == host {
				to = m.ID
			}
		}
	}
	if to == 0 {
		return errors.New("no member of the store is there")
	}
	status, err := s.client.Status(ctx, at[to])
	if err != nil || status.Leader == to {
		return err
	}
	if at[status.Leader] == "" {
		return errors.New("nobody leads the store now")
	}
	// Only the leader gives its leadership away.
	leader, err := s.client.Dial(at[status.Leader])
	if err != nil {
		return err
	}
	defer func() { _ = leader.Close() }()
	_, err = pb.NewMaintenanceClient(leader).MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: to})
	return err
}
