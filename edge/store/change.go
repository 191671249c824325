package store

import (
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// write is one decision in etcd's words.
type write struct {
	unit   cluster.UnitName
	guards []clientv3.Cmp
	ops    []clientv3.Op
	bytes  int                                  // of the values written
	events func(revision int64) []cluster.Event // what its success makes known
}

// asWrite says a decision in etcd's words.
func asWrite(change schedule.Change) (write, error) {
	switch c := change.(type) {
	case schedule.Place:
		return place(c)
	case schedule.Evict:
		return evict(c)
	case schedule.Refuse:
		return refuse(c)
	case schedule.Absolve:
		return absolve(c)
	default:
		return write{}, fmt.Errorf("the store knows no change of type %T", change)
	}
}

func place(c schedule.Place) (write, error) {
	p := c.Placement
	w := write{unit: p.Unit, guards: []clientv3.Cmp{
		unitIs(p.Unit, c.UnitRevision),
		clientv3.Compare(clientv3.ModRevision(machineKey(p.Machine)), "=", c.MachineRevision),
	}}
	if err := checkNames(p.Machine, p.Unit); err != nil {
		return w, err
	}
	if err := w.put(placementKey(p.Machine, p.Unit), p); err != nil {
		return w, err
	}
	moved := c.From != "" && c.From != p.Machine
	if moved {
		w.delete(placementKey(c.From, p.Unit))
	}
	if c.WasUnplaced {
		w.delete(unplacedKey(p.Unit))
	}
	w.events = func(revision int64) []cluster.Event {
		var events []cluster.Event
		if moved {
			events = append(events, cluster.PlacementGone{Machine: c.From, Unit: p.Unit})
		}
		if c.WasUnplaced {
			events = append(events, cluster.UnplacedGone{Unit: p.Unit})
		}
		p.Revision = revision
		return append(events, cluster.PlacementChanged{Placement: p})
	}
	return w, nil
}

func evict(c schedule.Evict) (write, error) {
	w := write{unit: c.Unit, guards: []clientv3.Cmp{unitIs(c.Unit, c.UnitRevision)}}
	w.delete(placementKey(c.From, c.Unit))
	w.events = func(int64) []cluster.Event {
		return []cluster.Event{cluster.PlacementGone{Machine: c.From, Unit: c.Unit}}
	}
	return w, checkNames(c.From, c.Unit)
}

func refuse(c schedule.Refuse) (write, error) {
	u := c.Unplaced
	w := write{unit: u.Unit, guards: []clientv3.Cmp{unitIs(u.Unit, c.UnitRevision)}}
	if _, err := cluster.ParseUnitName(string(u.Unit)); err != nil {
		return w, err
	}
	if err := w.put(unplacedKey(u.Unit), u); err != nil {
		return w, err
	}
	if c.From != "" {
		w.delete(placementKey(c.From, u.Unit))
	}
	w.events = func(revision int64) []cluster.Event {
		var events []cluster.Event
		if c.From != "" {
			events = append(events, cluster.PlacementGone{Machine: c.From, Unit: u.Unit})
		}
		u.Revision = revision
		return append(events, cluster.UnplacedChanged{Unplaced: u})
	}
	return w, nil
}

func absolve(c schedule.Absolve) (write, error) {
	w := write{unit: c.Unit}
	w.delete(unplacedKey(c.Unit))
	w.events = func(int64) []cluster.Event { return []cluster.Event{cluster.UnplacedGone{Unit: c.Unit}} }
	return w, nil
}

// unitIs holds while the unit has the revision decided from; 0 stands for no unit.
func unitIs(name cluster.UnitName, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(unitKey(name)), "=", revision)
}

func (w *write) put(key string, fact any) error {
	value, err := encode(fact)
	if err != nil {
		return fmt.Errorf("value of %s: %w", key, err)
	}
	w.bytes += len(value)
	w.ops = append(w.ops, clientv3.OpPut(key, value))
	return nil
}

func (w *write) delete(key string) { w.ops = append(w.ops, clientv3.OpDelete(key)) }
