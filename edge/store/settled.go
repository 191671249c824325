package store

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Settled is nil where each member of the store answers, goes by the same leader and
// knows what that one knew: then one of them may be stopped for a while, and the others
// go on.
func (s *Store) Settled(ctx context.Context) error {
	if err := s.once(ctx, s.settled); err != nil {
		return fmt.Errorf("look whether all members of the store go on: %w", err)
	}
	return nil
}

func (s *Store) settled(ctx context.Context) error {
	list, err := s.client.MemberList(ctx)
	if err != nil {
		return err
	}
	statuses := map[string]*clientv3.StatusResponse{}
	var leader uint64
	var known uint64
	for _, m := range list.Members {
		if len(m.ClientURLs) == 0 {
			return fmt.Errorf("the member %x is expected and has not started yet", m.ID)
		}
		status, err := s.client.Status(ctx, m.ClientURLs[0])
		if err != nil {
			return fmt.Errorf("the member %s: %w", m.Name, err)
		}
		statuses[m.Name] = status
		if m.ID == status.Leader {
			leader, known = m.ID, status.RaftAppliedIndex
		}
	}
	if leader == 0 {
		return errors.New("nobody leads the store now")
	}
	for name, status := range statuses {
		switch {
		case status.Leader != leader:
			return fmt.Errorf("the member %s does not know who leads yet", name)
		case status.RaftAppliedIndex+nearly < known:
			return fmt.Errorf("the member %s does not know yet what the others know", name)
		}
	}
	return nil
}

// nearly is how many entries of raft's log a member may be behind: those under way in
// a busy store.
const nearly = 1000
