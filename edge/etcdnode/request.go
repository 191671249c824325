package etcdnode

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	health "google.golang.org/grpc/health/grpc_health_v1"

	"argosy/core/access"
)

// deepest is how many transactions may stand in each other; ours are two.
const deepest = 16

// callOf is what a request asks for, as far as it matters for who may. What is not
// taken apart here has a Fault: it may touch anything.
func callOf(method string, message any) access.StoreCall {
	call := access.StoreCall{Method: method}
	switch request := message.(type) {
	case nil: // a stream begins, whose messages come later
	case *pb.RangeRequest:
		reads(&call, request)
	case *pb.PutRequest:
		puts(&call, request)
	case *pb.DeleteRangeRequest:
		writes(&call, request)
	case *pb.TxnRequest:
		transacts(&call, request, deepest)
	case *pb.WatchRequest:
		watches(&call, request)
	case *pb.LeaseGrantRequest:
		call.Leases = []int64{request.GetID()}
	case *pb.LeaseKeepAliveRequest:
		call.Leases = []int64{request.GetID()}
	case *pb.LeaseRevokeRequest:
		call.Leases = []int64{request.GetID()}
	case *pb.LeaseTimeToLiveRequest: // with the names of its keys, which are its owner's
		call.Leases = []int64{request.GetID()}
	case *pb.AlarmRequest:
		call.Reads = request.GetAction() == pb.AlarmRequest_GET
	case *pb.MemberListRequest, *pb.StatusRequest, *health.HealthCheckRequest, *health.HealthListRequest:
	default:
		call.Fault = fmt.Sprintf("nobody has judged what a %T asks for", message)
	}
	return call
}

// ranged is a request, or a part of one, that names keys as access.Keys does.
type ranged interface {
	GetKey() []byte
	GetRangeEnd() []byte
}

func reads(call *access.StoreCall, request ranged) {
	call.Uses = append(call.Uses, access.Use{Keys: keysOf(request)})
}

func writes(call *access.StoreCall, request ranged) {
	call.Uses = append(call.Uses, access.Use{Keys: keysOf(request), Writes: true})
}

func keysOf(request ranged) access.Keys {
	return access.Keys{From: string(request.GetKey()), End: string(request.GetRangeEnd())}
}

func puts(call *access.StoreCall, request *pb.PutRequest) {
	call.Uses = append(call.Uses, access.Use{Keys: access.Keys{From: string(request.GetKey())}, Writes: true})
	if request.GetLease() != 0 {
		call.Leases = append(call.Leases, request.GetLease())
	}
}

// transacts takes both branches apart, whichever will be taken: which it is tells what
// was compared.
func transacts(call *access.StoreCall, request *pb.TxnRequest, depth int) {
	if depth == 0 {
		call.Fault = fmt.Sprintf("more than %d transactions stand in each other", deepest)
		return
	}
	for _, compare := range request.GetCompare() {
		reads(call, compare)
	}
	for _, branch := range [][]*pb.RequestOp{request.GetSuccess(), request.GetFailure()} {
		for _, operation := range branch {
			switch asks := operation.GetRequest().(type) {
			case nil:
			case *pb.RequestOp_RequestRange:
				reads(call, asks.RequestRange)
			case *pb.RequestOp_RequestPut:
				puts(call, asks.RequestPut)
			case *pb.RequestOp_RequestDeleteRange:
				writes(call, asks.RequestDeleteRange)
			case *pb.RequestOp_RequestTxn:
				transacts(call, asks.RequestTxn, depth-1)
			default:
				call.Fault = fmt.Sprintf("nobody has judged what a %T asks for", asks)
			}
		}
	}
}

func watches(call *access.StoreCall, request *pb.WatchRequest) {
	switch asks := request.GetRequestUnion().(type) {
	case nil, *pb.WatchRequest_CancelRequest, *pb.WatchRequest_ProgressRequest:
	case *pb.WatchRequest_CreateRequest:
		reads(call, asks.CreateRequest)
	default:
		call.Fault = fmt.Sprintf("nobody has judged what a %T asks for", asks)
	}
}
