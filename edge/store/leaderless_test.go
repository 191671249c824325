package store

import (
	"net"
	"slices"
	"strconv"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/raft/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"argosy/core/cluster"
	"argosy/edge/etcdnode/etcdtest"
)

// TestMemberWithoutLeader has every second turn bring a call to a member that is
// cut off from the others: it refuses those who ask for a leader, as etcd does, or
// lets fall what they ask for, and leaves others without an answer. Calls that get one try succeed all the same.
func TestMemberWithoutLeader(t *testing.T) {
	refused := make(chan struct{}, 1000)
	alone := serveAlone(t, func(stream grpc.ServerStream) error {
		if asked, _ := metadata.FromIncomingContext(stream.Context()); !slices.Equal(asked.Get(rpctypes.MetadataRequireLeaderKey), []string{rpctypes.MetadataHasLeader}) {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		refused <- struct{}{}
		if len(refused)%2 == 0 {
			return status.Error(codes.Unknown, raft.ErrProposalDropped.Error())
		}
		return rpctypes.ErrGRPCNoLeader
	})
	s := open(t, Config{Endpoints: append(etcdtest.Start(t), alone)})
	for n := 0; n < 20 || len(refused) < 2; n++ {
		if n == 10_000 {
			t.Fatal("no call's turn was the member's without a leader")
		}
		unit := put(t, s, cluster.UnitName("web@"+strconv.Itoa(n)+".service"))
		if err := s.DeleteUnit(t.Context(), unit.Name, unit.Revision); err != nil {
			t.Fatal(err)
		}
	}
}

// serveAlone is the address of a server that answers each call so.
func serveAlone(t *testing.T, answer func(grpc.ServerStream) error) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return answer(stream) }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}
