package v2keys

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/keyspace"
)

// pageKeys is how many keys are read at once.
const pageKeys = 10_000

// snapshot is everything at one revision of etcd.
type snapshot struct {
	tree     *keyspace.Tree
	log      []batch // the history, oldest first
	letters  []letter
	revision int64
	indexed  int64 // when the index was last written; 0 for never
}

// load reads everything, each page at the revision of the first.
func load(ctx context.Context, kv clientv3.KV) (snapshot, error) {
	var s snapshot
	index := uint64(firstIndex)
	first, err := kv.Get(ctx, indexKey)
	if err != nil {
		return s, fmt.Errorf("read the index: %w", err)
	}
	s.revision = first.Header.Revision
	if len(first.Kvs) > 0 {
		s.indexed = first.Kvs[0].ModRevision
		if index, err = strconv.ParseUint(string(first.Kvs[0].Value), 10, 64); err != nil {
			return s, fmt.Errorf("read %s: %w", indexKey, err)
		}
	}
	values := map[string]string{}
	err = s.each(ctx, kv, valuesPrefix+"/", func(key, value []byte) error {
		values[strings.TrimPrefix(string(key), valuesPrefix)] = string(value)
		return nil
	})
	if err != nil {
		return s, err
	}
	var nodes []keyspace.Node
	err = s.each(ctx, kv, nodesPrefix+"/", func(key, value []byte) error {
		node, err := kept(key, value, values)
		nodes = append(nodes, node)
		return err
	})
	if err != nil {
		return s, err
	}
	if s.tree, err = keyspace.Restore(index, nodes); err != nil {
		return s, err
	}
	err = s.each(ctx, kv, logPrefix, func(key, value []byte) error {
		if string(key) == refusedKey {
			return nil
		}
		var b batch
		if err := json.Unmarshal(value, &b); err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		s.log = append(s.log, b)
		return nil
	})
	if err != nil {
		return s, err
	}
	err = s.each(ctx, kv, requestsPrefix, func(key, value []byte) error {
		s.letters = append(s.letters, readLetter(key, value))
		return nil
	})
	return s, err
}

func (s *snapshot) each(ctx context.Context, kv clientv3.KV, prefix string, visit func(key, value []byte) error) error {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		page, err := kv.Get(ctx, from, clientv3.WithRange(end), clientv3.WithRev(s.revision), clientv3.WithLimit(pageKeys))
		if err != nil {
			return fmt.Errorf("read %s: %w", prefix, err)
		}
		for _, kv := range page.Kvs {
			if err := visit(kv.Key, kv.Value); err != nil {
				return err
			}
			from = string(kv.Key) + "\x00"
		}
		if !page.More {
			return nil
		}
	}
}
