package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"argosy/core/cluster"
)

type keyValue = mvccpb.KeyValue

// encode writes a fact as a value that people can read with etcdctl: JSON in
// one line, its reasons without escapes for <, > and &.
func encode(fact any) ([]byte, error) {
	text := bytes.NewBuffer(make([]byte, 0, 512)) // most facts fit
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fact); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// decode reads a value into a fact whose name and revision are set already:
// the JSON does not hold them.
func decode(kv *keyValue, fact any) error {
	if err := json.Unmarshal(kv.Value, fact); err != nil {
		return fmt.Errorf("value of %s: %w", kv.Key, err)
	}
	return nil
}

// changed reads the fact that a key holds, as the event of its last write. It
// is nil for a folder that this version does not know.
func changed(kv *keyValue) (cluster.Event, error) {
	at, err := parseKey(string(kv.Key))
	if err != nil {
		return nil, err
	}
	revision := kv.ModRevision
	switch at.family {
	case contents:
		return cluster.ContentChanged{Hash: at.hash, Text: string(kv.Value)}, nil
	case units:
		fact := cluster.Unit{Name: at.unit, Revision: revision}
		if err = decode(kv, &fact); err == nil {
			err = checkDesired(kv, fact.Desired)
		}
		return cluster.UnitChanged{Unit: fact}, err
	case machines:
		fact, err := machine(at.machine, kv)
		return cluster.MachineChanged{Machine: fact}, err
	case labels:
		fact := cluster.Labels{Machine: at.machine, Revision: revision}
		err = decode(kv, &fact)
		return cluster.LabelsChanged{Labels: fact}, err
	case placements:
		fact := cluster.Placement{Machine: at.machine, Unit: at.unit, Revision: revision}
		if err = decode(kv, &fact); err == nil {
			err = checkDesired(kv, fact.Desired)
		}
		return cluster.PlacementChanged{Placement: fact}, err
	case states:
		fact := cluster.UnitState{Machine: at.machine, Unit: at.unit, Revision: revision}
		err = decode(kv, &fact)
		return cluster.StateChanged{State: fact}, err
	case unplaced:
		fact := cluster.Unplaced{Unit: at.unit, Revision: revision}
		err = decode(kv, &fact)
		return cluster.UnplacedChanged{Unplaced: fact}, err
	case leader:
		fact := cluster.Leader{Revision: revision}
		err = decode(kv, &fact)
		return cluster.LeaderChanged{Leader: fact}, err
	case probes:
		fact := cluster.Probes{Machine: at.machine, Revision: revision}
		err = decode(kv, &fact)
		return cluster.ProbesChanged{Probes: fact}, err
	case suspects:
		fact := cluster.Suspicion{Target: at.machine, Prober: at.prober, Revision: revision}
		err = decode(kv, &fact)
		return cluster.SuspicionChanged{Suspicion: fact}, err
	case departed:
		fact := cluster.Departed{Machine: at.machine, Revision: revision}
		err = decode(kv, &fact)
		return cluster.DepartedChanged{Departed: fact}, err
	default:
		return nil, nil
	}
}

// machine reads a machine's record. Its lease is the one that the store says: the
// leader revokes it, and a record that names another's must not end that.
func machine(id cluster.MachineID, kv *keyValue) (cluster.Machine, error) {
	fact := cluster.Machine{ID: id, Revision: kv.ModRevision}
	err := decode(kv, &fact)
	fact.Lease = kv.Lease
	return fact, err
}

func checkDesired(kv *keyValue, desired cluster.Desired) error {
	if !desired.Valid() {
		return fmt.Errorf("value of %s: %q is no desired state", kv.Key, desired)
	}
	return nil
}

// gone is the event of a key's end. It is nil for a folder that this version
// does not know.
func gone(key string) (cluster.Event, error) {
	at, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	switch at.family {
	case contents:
		return cluster.ContentGone{Hash: at.hash}, nil
	case units:
		return cluster.UnitGone{Name: at.unit}, nil
	case machines:
		return cluster.MachineGone{ID: at.machine}, nil
	case labels:
		return cluster.LabelsGone{Machine: at.machine}, nil
	case placements:
		return cluster.PlacementGone{Machine: at.machine, Unit: at.unit}, nil
	case states:
		return cluster.StateGone{Machine: at.machine, Unit: at.unit}, nil
	case unplaced:
		return cluster.UnplacedGone{Unit: at.unit}, nil
	case leader:
		return cluster.LeaderGone{}, nil
	case probes:
		return cluster.ProbesGone{Machine: at.machine}, nil
	case suspects:
		return cluster.SuspicionGone{Target: at.machine, Prober: at.prober}, nil
	case departed:
		return cluster.DepartedGone{Machine: at.machine}, nil
	default:
		return nil, nil
	}
}
