package etcdnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/raft/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"argosy/core/access"
)

// Guard lets in who holds one of the cluster's certificates, each to what they may
// do. Which keys that is etcd's own auth says, once it is on, by the user as whom
// the guard hands a call on; the guard sees to what etcd's auth leaves open: calls
// that are not about keys, others' leases, certificates that are revoked, and, since
// all workers are one user there, which keys are whose.
type Guard struct {
	TLS        *tls.Config // of the client ports; wants a certificate of every client
	IdentityOf func(*x509.Certificate) (access.Identity, error)
	Report     func(error) // of what it gets over by itself
	// Bound bounds the connections of a client port, given who is a member; may be nil.
	Bound func(l net.Listener, member func(netip.Addr) bool) net.Listener
}

// settles is about how long a member takes to learn of a change that another knows.
const settles = 5 * time.Millisecond

// caller is who makes a request, since it was let in.
type caller struct {
	who  access.Identity
	user access.StoreUser
}

type callerKey struct{}

func (c caller) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// judge lets a call go on as its caller's user, or says why not.
func judge(ctx context.Context, method string, message any) (context.Context, error) {
	user, err := userFor(ctx, method, message)
	if err != nil {
		return nil, err
	}
	return as(ctx, user), nil
}

// userFor is as whom a call is made. What root asks for, the engine's large
// transactions, is not looked into.
func userFor(ctx context.Context, method string, message any) (access.StoreUser, error) {
	asks, known := ctx.Value(callerKey{}).(caller)
	if !known {
		return "", status.Error(codes.Unauthenticated, "nobody makes this call: it came without a certificate")
	}
	call := access.StoreCall{Method: method}
	if asks.user != access.StoreRoot {
		call = callOf(method, message)
	}
	user, err := access.MayCall(asks.who, asks.user, call)
	if err != nil {
		return "", status.Error(codes.PermissionDenied, fmt.Sprintf("%s %v", asks.who, err))
	}
	return user, nil
}

func judgeUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := judge(ctx, info.FullMethod, request)
	if err != nil {
		return nil, err
	}
	if info.FullMethod == pb.Auth_AuthStatus_FullMethodName {
		_ = grpc.SetHeader(ctx, metadata.Pairs(access.GuardField, "on")) // it fails outside of a call alone
	}
	if !strings.HasPrefix(info.FullMethod, "/etcdserverpb.") { // a lock's call is several of etcd's
		return handle(ctx, request)
	}
	return untilSettled(ctx, func() (any, error) { return handle(ctx, request) })
}

// untilSettled makes a call again that etcd has refused before doing anything:
// because its users have changed since the call began, or because raft's leadership
// was just on its way to another member.
func untilSettled[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for {
		answer, err := call()
		if !errors.Is(err, rpctypes.ErrGRPCAuthOldRevision) && !wasDropped(err) {
			return answer, err
		}
		select {
		case <-time.After(settles):
		case <-ctx.Done():
			return answer, err
		}
	}
}

// wasDropped tells of what raft took no notice of. etcd has no code of its own for it.
func wasDropped(err error) bool {
	return status.Convert(err).Message() == raft.ErrProposalDropped.Error()
}

func judgeStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := judge(stream.Context(), info.FullMethod, nil)
	if err != nil {
		return err
	}
	return handle(server, &judgedStream{stream, ctx, info.FullMethod})
}

// judgedStream has each of its messages judged as it comes.
type judgedStream struct {
	grpc.ServerStream
	ctx    context.Context
	method string
}

func (s *judgedStream) Context() context.Context { return s.ctx }

func (s *judgedStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil {
		_, err = userFor(s.ctx, s.method, message)
	}
	return err
}

// as makes etcd take the caller for one of its users. etcd goes by the common name
// of the first certificate of a verified chain, so the context gets one with that
// name; by a token before that, which goes, because certificates alone say who
// somebody is here; and not at all where its JSON gateway seems to ask.
func as(ctx context.Context, user access.StoreUser) context.Context {
	given, _ := metadata.FromIncomingContext(ctx) // a copy
	kept := metadata.MD{}                         // without any, etcd takes the caller for nobody
	for name, values := range given {
		if name != rpctypes.TokenFieldNameGRPC && name != rpctypes.TokenFieldNameSwagger && !strings.HasPrefix(name, "grpcgateway-") {
			kept[name] = values
		}
	}
	ctx = metadata.NewIncomingContext(ctx, kept)
	// etcd's lock and election servers call through a client in the process, whose
	// watches share a stream where their outgoing metadata is the same, and so the
	// identity of the first: each user has streams of its own.
	ctx = metadata.AppendToOutgoingContext(ctx, "store-user", string(user))
	named := &x509.Certificate{Subject: pkix.Name{CommonName: string(user)}}
	shown := credentials.TLSInfo{State: tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{named}}}}
	now := &peer.Peer{AuthInfo: shown}
	if before, is := peer.FromContext(ctx); is {
		now.Addr, now.LocalAddr = before.Addr, before.LocalAddr
	}
	return peer.NewContext(ctx, now)
}
