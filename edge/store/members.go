package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"argosy/core/cluster"
)

// Members returns the client URLs of the store's members, in order. One that has
// not started yet has none.
func (s *Store) Members(ctx context.Context) ([]string, error) {
	var urls []string
	err := s.repeat(ctx, func(ctx context.Context) error {
		list, err := s.client.MemberList(ctx)
		urls = nil
		if err != nil {
			return err
		}
		for _, m := range list.Members {
			urls = append(urls, m.ClientURLs...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the store's members: %w", err)
	}
	slices.Sort(urls)
	return urls, nil
}

// MemberAt is the id of the member that has a client URL, else cluster.ErrNotFound.
func (s *Store) MemberAt(ctx context.Context, clientURL string) (id uint64, err error) {
	err = s.repeat(ctx, func(ctx context.Context) error {
		list, err := s.client.MemberList(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list.Members, func(m *pb.Member) bool { return slices.Contains(m.ClientURLs, clientURL) })
		if i < 0 {
			return cluster.ErrNotFound
		}
		id = list.Members[i].ID
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for the store's member at %s: %w", clientURL, err)
	}
	return id, nil
}

// UseMembers goes on with members at these client URLs.
func (s *Store) UseMembers(urls []string) { s.client.SetEndpoints(urls...) }

// Joined is a member that the store expects.
type Joined struct {
	ID             uint64
	InitialCluster string // NAME=PEER_URL of all members, as etcd's --initial-cluster
}

// AddMember has the store expect a member called name at a peer URL, as a learner:
// until it is promoted it counts for nothing, so that one that never comes costs
// the store nothing. One that was expected there and has not come gives way.
func (s *Store) AddMember(ctx context.Context, name, peerURL string) (Joined, error) {
	joined, err := s.addMember(ctx, name, peerURL)
	if err != nil {
		return Joined{}, fmt.Errorf("add the member %s to the store: %w", name, translate(ctx, err))
	}
	return joined, nil
}

func (s *Store) addMember(ctx context.Context, name, peerURL string) (Joined, error) {
	list, err := s.client.MemberList(ctx)
	if err != nil {
		return Joined{}, err
	}
	for _, m := range list.Members {
		if !slices.Contains(m.PeerURLs, peerURL) {
			continue
		}
		if m.Name != "" || !m.IsLearner {
			return Joined{}, fmt.Errorf("%w: there is one at %s: remove it first (etcdctl member remove %x)", cluster.ErrConflict, peerURL, m.ID)
		}
		if _, err := s.client.MemberRemove(ctx, m.ID); err != nil {
			return Joined{}, err
		}
	}
	added, err := s.client.MemberAddAsLearner(ctx, []string{peerURL})
	if err != nil {
		return Joined{}, err
	}
	var all []string
	for _, m := range added.Members {
		known := m.Name
		if m.ID == added.Member.ID {
			known = name
		}
		if known == "" {
			return Joined{}, errors.Join(errors.New("another member has not started yet"), s.RemoveMember(ctx, added.Member.ID))
		}
		for _, url := range m.PeerURLs {
			all = append(all, known+"="+url)
		}
	}
	return Joined{ID: added.Member.ID, InitialCluster: strings.Join(all, ",")}, nil
}

// RemoveMember takes a member out of the store.
func (s *Store) RemoveMember(ctx context.Context, id uint64) error {
	_, err := s.client.MemberRemove(ctx, id)
	if err != nil {
		return fmt.Errorf("remove the member %x from the store: %w", id, translate(ctx, err))
	}
	return nil
}

// dialLeader connects to the member that leads. Others pass some calls on to it without
// the name of who asks, which it refuses once the store is closed.
func (s *Store) dialLeader(ctx context.Context, members []*pb.Member) (*grpc.ClientConn, error) {
	at := map[uint64]string{}
	for _, m := range members {
		for _, url := range m.ClientURLs {
			at[m.ID] = url
		}
	}
	faults := []error{errors.New("nobody is known to lead the store now")}
	for _, url := range at {
		status, err := s.client.Status(ctx, url)
		if err == nil && at[status.Leader] != "" {
			return s.client.Dial(at[status.Leader])
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// PromoteMember has a learner count as a member; it is an error until it knows what
// the others know. One that is no learner is left as it is.
func (s *Store) PromoteMember(ctx context.Context, id uint64) error {
	err := s.once(ctx, func(ctx context.Context) error {
		list, err := s.client.MemberList(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list.Members, func(m *pb.Member) bool { return m.ID == id })
		if i < 0 {
			return cluster.ErrNotFound
		}
		if !list.Members[i].IsLearner {
			return nil
		}
		leader, err := s.dialLeader(ctx, list.Members)
		if err != nil {
			return err
		}
		defer func() { _ = leader.Close() }()
		_, err = pb.NewClusterClient(leader).MemberPromote(ctx, &pb.MemberPromoteRequest{ID: id})
		return err
	})
	if err != nil {
		return fmt.Errorf("promote the member %x of the store: %w", id, err)
	}
	return nil
}
