package sim

import (
	"argosy/core/cluster"
	"argosy/test/sim/laws"
)

// said is what an event of the store says in the words of the laws. The wishes
// are those that the texts were made of.
func said(event cluster.Event, wishes map[cluster.Hash]laws.Wish) laws.Write {
	switch e := event.(type) {
	case cluster.ContentChanged:
		return write(laws.Contents, "", string(e.Hash), laws.Text{Wish: wishes[e.Hash]})
	case cluster.ContentGone:
		return write(laws.Contents, "", string(e.Hash), nil)
	case cluster.UnitChanged:
		u := e.Unit
		return write(laws.Units, "", string(u.Name), laws.Unit{Hash: u.Hash, Wanted: laws.Wanted(u.Desired), Generation: u.Generation})
	case cluster.UnitGone:
		return write(laws.Units, "", string(e.Name), nil)
	case cluster.MachineChanged:
		m := e.Machine
		return write(laws.Machines, m.ID, "", laws.Machine{
			Boot: m.BootID, Metadata: m.Metadata, Memory: m.Capacity.MemoryBytes, GPUs: m.Capacity.Other["gpu"],
		})
	case cluster.MachineGone:
		return write(laws.Machines, e.ID, "", nil)
	case cluster.LabelsChanged:
		return write(laws.Labels, e.Labels.Machine, "", laws.Label{Set: e.Labels.Set})
	case cluster.LabelsGone:
		return write(laws.Labels, e.Machine, "", nil)
	case cluster.PlacementChanged:
		p := e.Placement
		return write(laws.Placements, p.Machine, string(p.Unit), laws.Placement{
			Hash: p.Hash, Wanted: laws.Wanted(p.Desired), Generation: p.Generation, Reason: p.Reason,
		})
	case cluster.PlacementGone:
		return write(laws.Placements, e.Machine, string(e.Unit), nil)
	case cluster.StateChanged:
		s := e.State
		return write(laws.States, s.Machine, string(s.Unit), laws.State{Active: s.Active, Generation: s.Generation})
	case cluster.StateGone:
		return write(laws.States, e.Machine, string(e.Unit), nil)
	case cluster.UnplacedChanged:
		return write(laws.Unplaced, "", string(e.Unplaced.Unit), laws.Refusal{Generation: e.Unplaced.Generation, Reason: e.Unplaced.Reason})
	case cluster.UnplacedGone:
		return write(laws.Unplaced, "", string(e.Unit), nil)
	case cluster.LeaderChanged:
		return write(laws.Leader, "", "", laws.Lead{Machine: e.Leader.Machine, Run: e.Leader.Run})
	case cluster.LeaderGone:
		return write(laws.Leader, "", "", nil)
	case cluster.ProbesChanged:
		return write(laws.Probes, e.Probes.Machine, "", laws.Said{})
	case cluster.ProbesGone:
		return write(laws.Probes, e.Machine, "", nil)
	case cluster.SuspicionChanged:
		return write(laws.Suspects, e.Suspicion.Prober, string(e.Suspicion.Target), laws.Said{})
	case cluster.SuspicionGone:
		return write(laws.Suspects, e.Prober, string(e.Target), nil)
	case cluster.DepartedChanged:
		return write(laws.Departed, e.Departed.Machine, "", laws.Said{})
	case cluster.DepartedGone:
		return write(laws.Departed, e.Machine, "", nil)
	default:
		panic("a fact that the laws do not know of")
	}
}

func write(kind laws.Kind, machine cluster.MachineID, name string, fact any) laws.Write {
	return laws.Write{Key: laws.Key{Kind: kind, Machine: machine, Name: name}, Fact: fact}
}
