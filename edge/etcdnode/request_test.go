package etcdnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"

	"argosy/core/access"
)

// TestAHostileWorkersRanges asks for keys beyond its own in every way that there is,
// before the store is closed and after: the guard alone holds it, and etcd's auth with
// it. (Seen to fail, each with the guard's judge without what the row is about.)
func TestAHostileWorkersRanges(t *testing.T) {
	w := begin(t, nil)
	root, worker := w.client(asMember), w.client(asWorker)
	_, err := root.Put(t.Context(), otherState, "secret")
	w.must(err)
	const states, own = "/argosy/v1/states/", "/argosy/v1/states/" + machineB + "/"
	for _, closed := range []bool{false, true} {
		if closed {
			w.shut()
		}
		for _, keys := range []access.Keys{
			{From: otherState}, {From: "/argosy/v1/states/" + machineA + "/", End: own + "b"},
			{From: own, End: "\x00"}, {From: own, End: own[:len(own)-1] + "1"}, {From: own + "b", End: "/argosy/v1/states0"}, {From: own, End: "\xff"},
			{From: states, End: own + "b"}, {From: own[:len(own)-1], End: own + "b"}, {From: own[:len(own)-1]}, {From: own[:len(own)-2], End: own[:len(own)-2] + "\xff"},
			{From: states, End: "/argosy/v1/states0"}, {From: "\x00", End: "\x00"}, {From: "", End: "\x00"}, {From: "", End: own + "b"}, {From: ""},
			{From: own + "b", End: own + "a"}, {From: own + "a", End: own + "a"},
			{From: "/argosy/v1/machines/" + machineB + "0"}, {From: "/argosy/v1/machines/" + machineB, End: "/argosy/v1/machines/" + machineB[:31] + "c"},
			{From: "/argosy/v1/placements/" + machineB + "/", End: own + "b"},
		} {
			for what, err := range asks(worker, keys, "x") {
				refused(t, fmt.Sprintf("closed: %t: %s of %s", closed, what, keys), err, "may not ")
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("%s of %s tells what is there: %v", what, keys, err)
				}
			}
		}
		for _, keys := range []access.Keys{{From: ownState}, access.Below(own), {From: own + "a", End: own + "b"}, {From: "/argosy/v1/machines/" + machineB}, access.Below("/argosy/v1/machines/" + machineB + "/")} {
			for what, err := range asks(worker, keys, "x") {
				if err != nil {
					t.Errorf("closed: %t: %s of %s, which are its own: %v", closed, what, keys, err)
				}
			}
		}
		placed := access.Below("/argosy/v1/placements/" + machineB + "/")
		for what, err := range asks(worker, placed, "x") {
			if changes := strings.Contains(what, "delete") || strings.Contains(what, "put"); changes != isRefusal(err) {
				t.Errorf("closed: %t: %s of its placements: %v", closed, what, err)
			}
		}
	}
	if got, err := root.Get(t.Context(), otherState); err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "secret" {
		t.Errorf("another's state is now %+v, %v", got, err)
	}
	deep := &pb.TxnRequest{}
	for range deepest {
		deep = &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: deep}}}}
	}
	_, err = pb.NewKVClient(worker.ActiveConnection()).Txn(t.Context(), deep)
	refused(t, "a tower of transactions", err, "may not call /etcdserverpb.KV/Txn: more than 16 transactions stand in each other")
}

// asks for keys in every way that there is, and says how each was answered.
func asks(client *clientv3.Client, keys access.Keys, value string) map[string]error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn := client.ActiveConnection()
	kv := pb.NewKVClient(conn)
	key, end := []byte(keys.From), []byte(keys.End)
	get := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key, RangeEnd: end, CountOnly: true}}}
	remove := &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key, RangeEnd: end, PrevKv: true}}}
	compare := &pb.Compare{Key: key, RangeEnd: end, Target: pb.Compare_VERSION, Result: pb.Compare_LESS, TargetUnion: &pb.Compare_Version{Version: -1}}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: []byte(value), PrevKv: true}}}
	nested := func(operation *pb.RequestOp) *pb.RequestOp {
		inner := &pb.TxnRequest{Failure: []*pb.RequestOp{operation}}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}
	}
	_, ranged := kv.Range(ctx, get.GetRequestRange())
	answers := map[string]error{"a range": ranged, "a stream": streamed(ctx, kv, get.GetRequestRange()), "a watch": watched(ctx, conn, keys)}
	_, answers["to delete"] = kv.DeleteRange(ctx, remove.GetRequestDeleteRange())
	if keys.End == "" {
		_, answers["to put"] = kv.Put(ctx, put.GetRequestPut())
	}
	for what, txn := range map[string]*pb.TxnRequest{
		"to compare":                     {Compare: []*pb.Compare{compare}},
		"a range in a branch":            {Success: []*pb.RequestOp{get}},
		"a range in the other branch":    {Failure: []*pb.RequestOp{get}},
		"to delete in a branch":          {Failure: []*pb.RequestOp{remove}},
		"a range, nested":                {Success: []*pb.RequestOp{nested(nested(nested(get)))}},
		"to delete, nested":              {Failure: []*pb.RequestOp{nested(remove)}},
		"to compare, nested":             {Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Compare: []*pb.Compare{compare}}}}}},
		"to compare beside what it may":  {Compare: []*pb.Compare{{Key: []byte(ownState)}, compare}},
		"a range beside what is its own": {Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(ownState)}}}, get}},
	} {
		_, answers[what] = kv.Txn(ctx, txn)
	}
	return answers
}

// streamed reads all of a stream.
func streamed(ctx context.Context, kv pb.KVClient, request *pb.RangeRequest) error {
	stream, err := kv.RangeStream(ctx, request)
	for err == nil {
		_, err = stream.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// watched begins a watch.
func watched(ctx context.Context, conn grpc.ClientConnInterface, keys access.Keys) error {
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		return err
	}
	create := &pb.WatchCreateRequest{Key: []byte(keys.From), RangeEnd: []byte(keys.End), PrevKv: true, StartRevision: 1}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err == nil && answer.GetCanceled() {
		err = errors.New(answer.GetCancelReason())
	}
	return err
}

// oracle says key by key what etcd would touch, of the keys that matter here: those of
// two machines, those beside them, and the ends of all.
type oracle struct{ keys []string }

func newOracle() oracle {
	var o oracle
	for _, id := range []string{machineA, machineB} {
		for _, folder := range []string{"machines/", "placements/", "states/"} {
			at := access.Facts + folder
			o.keys = append(o.keys, at, at[:len(at)-1]+"0", at+id[:31], at+id, at+id+"\x00", at+id+"/", at+id+"/a", at+id+"/a\x00", at+id+"/b", at+id+"/\xff", at+id+"0", at+id+"0/a", at+id+"\xff")
		}
	}
	o.keys = append(o.keys, "\x00", "a", "/argosy", "/argosy/", access.Facts+"leader", access.Facts+"units/a", "/argosy0", "\xff")
	slices.Sort(o.keys)
	o.keys = slices.Compact(o.keys)
	return o
}

// own says what machineB may do with a key, in words of its own.
func (o oracle) own(key string, writes bool) bool {
	record, under := strings.CutPrefix(key, access.Facts+"machines/"+machineB)
	states, placed := strings.HasPrefix(key, access.Facts+"states/"+machineB+"/"), strings.HasPrefix(key, access.Facts+"placements/"+machineB+"/")
	return under && record < "0" || states || placed && !writes
}

// may says whether machineB may touch each key that etcd would. Of nothing it may not:
// such a range is a slip, or a trick.
func (o oracle) may(key, end string, writes bool) bool {
	touched := 0
	for _, k := range append([]string{key}, o.keys...) {
		if k != key && (end == "" || k < key) || end != "" && end != "\x00" && k >= end {
			continue
		}
		touched++
		if !o.own(k, writes) {
			return false
		}
	}
	return touched > 0
}

// TestRequestsAgainstAnOracle has machineB make random requests, each through the
// judge, and wants it let through exactly if each key that it touches is its own.
func TestRequestsAgainstAnOracle(t *testing.T) {
	o := newOracle()
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		want := true
		request := o.draw(t, &want)
		method := map[bool]string{true: pb.Watch_Watch_FullMethodName, false: pb.KV_Txn_FullMethodName}[isWatch(request)]
		_, err := userFor(caller{asWorker, access.StoreWorker}.in(t.Context()), method, request)
		if (err == nil) != want {
			t.Fatalf("%v: %v, want it allowed: %t", request, err, want)
		}
		if err == nil {
			allowed++
		}
	})
	if allowed == 0 {
		t.Error("all of them were refused")
	}
}

func isWatch(request any) bool { _, is := request.(*pb.WatchRequest); return is }

// draw makes a request, and want false where it touches what is not machineB's.
func (o oracle) draw(t *rapid.T, want *bool) any {
	// Mostly its own keys: of many at random one would always be another's.
	mine := slices.DeleteFunc(slices.Clone(o.keys), func(k string) bool { return !o.own(k, true) })
	keys := func(writes bool) (key, end []byte) {
		from := mine
		if rapid.IntRange(0, 9).Draw(t, "beyond") == 0 {
			from = append(slices.Clone(o.keys), "")
		}
		k := rapid.SampledFrom(from).Draw(t, "key")
		e := rapid.SampledFrom(append([]string{"", "", "", "\x00", k + "0", k + "\x00"}, from...)).Draw(t, "end")
		*want = *want && o.may(k, e, writes)
		return []byte(k), []byte(e)
	}
	if rapid.Bool().Draw(t, "watch") {
		key, end := keys(false)
		return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: key, RangeEnd: end}}}
	}
	var txn func(depth int) *pb.TxnRequest
	operations := func(depth int) (all []*pb.RequestOp) {
		for range rapid.IntRange(0, 2).Draw(t, "operations") {
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0:
				key, end := keys(false)
				all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key, RangeEnd: end}}})
			case kind == 1:
				key, end := keys(true)
				all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key, RangeEnd: end}}})
			case kind == 2:
				put := &pb.PutRequest{Key: []byte(rapid.SampledFrom(o.keys).Draw(t, "key")), Lease: rapid.SampledFrom([]int64{0, access.LeaseID(machineB, 1), access.LeaseID(machineA, 1)}).Draw(t, "lease")}
				*want = *want && o.own(string(put.Key), true) && (put.Lease == 0 || access.OwnsLease(machineB, put.Lease))
				all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}}, &pb.RequestOp{})
			case depth > 0:
				all = append(all, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: txn(depth - 1)}})
			}
		}
		return all
	}
	txn = func(depth int) *pb.TxnRequest {
		made := &pb.TxnRequest{}
		for range rapid.IntRange(0, 1).Draw(t, "compares") {
			key, end := keys(false)
			made.Compare = append(made.Compare, &pb.Compare{Key: key, RangeEnd: end})
		}
		made.Success = operations(depth)
		made.Failure = operations(depth)
		return made
	}
	return txn(4)
}

// FuzzRequests has a worker send bytes as a transaction and as a message of a watch.
// What is let through names no key but its own, wherever in it a key stands.
func FuzzRequests(f *testing.F) {
	own, other := &pb.RangeRequest{Key: []byte(ownState)}, &pb.RangeRequest{Key: []byte(otherState)}
	for _, read := range []*pb.RangeRequest{own, other} {
		inner := &pb.TxnRequest{Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: read}}}}
		for _, message := range []proto.Message{
			inner, &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}}},
			&pb.TxnRequest{Compare: []*pb.Compare{{Key: read.Key, RangeEnd: []byte{0}}}},
			&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: read.Key}}},
		} {
			text, err := proto.Marshal(message)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	ctx := caller{asWorker, access.StoreWorker}.in(f.Context())
	f.Fuzz(func(t *testing.T, text []byte) {
		for method, message := range map[string]proto.Message{pb.KV_Txn_FullMethodName: &pb.TxnRequest{}, pb.Watch_Watch_FullMethodName: &pb.WatchRequest{}} {
			if proto.Unmarshal(text, message) != nil {
				continue
			}
			if _, err := userFor(ctx, method, message); err == nil {
				onlyOwn(t, message.ProtoReflect())
			}
		}
	})
}

// onlyOwn looks for keys by the names of fields, knowing nothing of what they mean.
func onlyOwn(t *testing.T, message protoreflect.Message) {
	t.Helper()
	fields := message.Descriptor().Fields()
	if key := fields.ByName("key"); key != nil {
		from := string(message.Get(key).Bytes())
		if !strings.HasPrefix(from, access.Facts) || !strings.Contains(from, machineB) {
			t.Errorf("%q was let through: %v", from, message)
		}
		if end := fields.ByName("range_end"); end != nil && message.Has(end) {
			if to := string(message.Get(end).Bytes()); to <= from || !strings.HasPrefix(to, access.Facts) || !strings.Contains(to, machineB) {
				t.Errorf("%q to %q was let through: %v", from, to, message)
			}
		}
	}
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				onlyOwn(t, value.List().Get(i).Message())
			}
		default:
			onlyOwn(t, value.Message())
		}
		return true
	})
}

// TestRequestsAreKnownWhole fails with each field that a newer etcd has in what workers
// send, until somebody has thought about whether it touches keys.
func TestRequestsAreKnownWhole(t *testing.T) {
	for message, known := range map[proto.Message]string{
		&pb.RangeRequest{}:       "key range_end limit revision sort_order sort_target serializable keys_only count_only min_mod_revision max_mod_revision min_create_revision max_create_revision",
		&pb.PutRequest{}:         "key value lease prev_kv ignore_value ignore_lease",
		&pb.DeleteRangeRequest{}: "key range_end prev_kv",
		&pb.TxnRequest{}:         "compare success failure",
		&pb.Compare{}:            "result target key version create_revision mod_revision value lease range_end",
		&pb.RequestOp{}:          "request_range request_put request_delete_range request_txn",
		&pb.WatchRequest{}:       "create_request cancel_request progress_request",
		&pb.WatchCreateRequest{}: "key range_end start_revision progress_notify filters prev_kv watch_id fragment",
	} {
		var names []string
		for fields, i := message.ProtoReflect().Descriptor().Fields(), 0; i < fields.Len(); i++ {
			names = append(names, string(fields.Get(i).Name()))
		}
		if got := strings.Join(names, " "); got != known {
			t.Errorf("%T has %s, and judged were %s", message, got, known)
		}
	}
}

// TestWorkersCallsAreTakenApart finds the request of each call that workers may make.
func TestWorkersCallsAreTakenApart(t *testing.T) {
	calls := 0
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			for service, j := file.Services().Get(i), 0; j < service.Methods().Len(); j++ {
				called := service.Methods().Get(j)
				method := fmt.Sprintf("/%s/%s", service.FullName(), called.Name())
				if _, err := access.MayCall(asWorker, access.StoreWorker, access.StoreCall{Method: method}); err != nil {
					continue
				}
				calls++
				kind, err := protoregistry.GlobalTypes.FindMessageByName(called.Input().FullName())
				if err != nil {
					t.Fatal(err)
				}
				if call := callOf(method, kind.New().Interface()); call.Fault != "" {
					t.Errorf("workers may call %s: %s", method, call.Fault)
				}
			}
		}
		return true
	})
	if calls < 10 {
		t.Errorf("workers may make %d calls", calls)
	}
}
