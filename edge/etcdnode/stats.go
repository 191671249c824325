package etcdnode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
)

var errStats = errors.New("read etcd's statistics: this etcd keeps them otherwise")

// statsOf reads what etcd still counts but no longer tells: since 3.6 nothing
// outside its server reaches the two counters. Each has a lock of its own.
func statsOf(server *etcdserver.EtcdServer) (self, leader []byte, err error) {
	fields := reflect.ValueOf(server).Elem()
	one, other := fields.FieldByName("stats"), fields.FieldByName("lstats")
	if !is[*v2stats.ServerStats](one) || !is[*v2stats.LeaderStats](other) {
		return nil, nil, errStats
	}
	self, err = named((*v2stats.ServerStats)(one.UnsafePointer()).JSON(), server.MemberID().String())
	return self, (*v2stats.LeaderStats)(other.UnsafePointer()).JSON(), err
}

func is[T any](field reflect.Value) bool {
	return field.IsValid() && field.Type() == reflect.TypeFor[T]()
}

// named puts the member's id where etcd 3.7 writes its whole cluster by mistake: as
// its own, and as its leader's while it leads.
func named(text []byte, id string) ([]byte, error) {
	var told struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(text, &told); err != nil {
		return nil, fmt.Errorf("read etcd's statistics: %w", err)
	}
	return bytes.ReplaceAll(text, told.ID, []byte(`"`+id+`"`)), nil
}
