package store

import (
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// write is one decision in etcd's words. It speaks protocol buffers and not
// clientv3's Op and Cmp, which cost a quarter of a commit's time in copies.
type write struct {
	change schedule.Change
	unit   cluster.UnitName
	ground ground        // zero for none
	guards []*pb.Compare // without the ground's, which neighbours share
	ops    []*pb.RequestOp
	bytes  int // of the values written
}

// ground is a machine that must be as it was decided for: its record, and what
// operators say of it.
type ground struct {
	machine          cluster.MachineID
	revision, labels int64
}

func (g ground) guards() []*pb.Compare {
	return []*pb.Compare{hasRevision(machineKey(g.machine), g.revision), hasRevision(labelsKey(g.machine), g.labels)}
}

// subject is whom a decision concerns.
func subject(change schedule.Change) (cluster.MachineID, cluster.UnitName) {
	switch c := change.(type) {
	case schedule.Place:
		return c.Placement.Machine, c.Placement.Unit
	case schedule.Evict:
		return c.From, c.Unit
	case schedule.Refuse:
		return c.From, c.Unplaced.Unit
	case schedule.Absolve:
		return "", c.Unit
	default:
		return "", ""
	}
}

// spot is a fact that a decision writes or ends: a placement, or why a unit has
// none where the machine is empty.
type spot struct {
	machine cluster.MachineID
	unit    cluster.UnitName
}

// touched lists the facts that a decision writes or ends.
func touched(change schedule.Change) []spot {
	machine, unit := subject(change)
	spots := []spot{{machine, unit}}
	switch c := change.(type) {
	case schedule.Place:
		if c.Moves() {
			spots = append(spots, spot{c.From, unit})
		}
		if c.WasUnplaced {
			spots = append(spots, spot{"", unit})
		}
	case schedule.Refuse:
		if machine != "" {
			spots = append(spots, spot{"", unit})
		}
	case schedule.Evict, schedule.Absolve:
	}
	return spots
}

// asWrite says a decision in etcd's words.
func asWrite(change schedule.Change) (write, error) {
	machine, unit := subject(change)
	w := write{change: change, unit: unit}
	_, err := cluster.ParseUnitName(string(unit))
	if err == nil && machine != "" {
		_, err = cluster.ParseMachineID(string(machine))
	}
	if err != nil {
		return w, err
	}
	switch c := change.(type) {
	case schedule.Place:
		w.ground = ground{machine, c.MachineRevision, c.LabelsRevision}
		w.guards = []*pb.Compare{hasRevision(unitKey(unit), c.UnitRevision)}
		err = w.put(placementKey(machine, unit), c.Placement)
		if c.FromGone {
			w.guards = append(w.guards, hasRevision(machineKey(c.From), 0))
		}
		if c.Moves() {
			w.delete(placementKey(c.From, unit))
		}
		if c.WasUnplaced {
			w.delete(unplacedKey(unit))
		}
	case schedule.Evict:
		w.guards = []*pb.Compare{hasRevision(unitKey(unit), c.UnitRevision)}
		w.delete(placementKey(machine, unit))
	case schedule.Refuse:
		w.guards = []*pb.Compare{hasRevision(unitKey(unit), c.UnitRevision)}
		err = w.put(unplacedKey(unit), c.Unplaced)
		if machine != "" {
			w.delete(placementKey(machine, unit))
		}
	case schedule.Absolve:
		w.guards = []*pb.Compare{hasRevision(unplacedKey(unit), c.Revision)}
		w.delete(unplacedKey(unit))
	default:
		err = fmt.Errorf("the store knows no change of type %T", change)
	}
	return w, err
}

// hasRevision holds while the key was last written at revision; 0 stands for
// a key that is not there.
func hasRevision(key string, revision int64) *pb.Compare {
	var one struct { // the message and what it is wrapped in are made at once
		compare pb.Compare
		is      pb.Compare_ModRevision
	}
	one.is.ModRevision = revision
	one.compare.Key, one.compare.Target, one.compare.Result = []byte(key), pb.Compare_MOD, pb.Compare_EQUAL
	one.compare.TargetUnion = &one.is
	return &one.compare
}

func (w *write) put(key string, fact any) error {
	value, err := encode(fact)
	if err != nil {
		return fmt.Errorf("value of %s: %w", key, err)
	}
	w.bytes += len(value)
	var one struct {
		op   pb.RequestOp
		kind pb.RequestOp_RequestPut
		put  pb.PutRequest
	}
	one.put.Key, one.put.Value = []byte(key), value
	one.kind.RequestPut, one.op.Request = &one.put, &one.kind
	w.ops = append(w.ops, &one.op)
	return nil
}

func (w *write) delete(key string) {
	gone := &pb.DeleteRangeRequest{Key: []byte(key)}
	w.ops = append(w.ops, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: gone}})
}
