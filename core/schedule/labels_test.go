package schedule_test

import (
	"argosy/core/cluster"
)

// label has an operator say this of a machine; nothing takes all back.
func (w *world) label(name string, set map[string]string) {
	id := machineID(name)
	w.names[id] = name
	if len(set) == 0 {
		if _, there := w.labels[id]; there {
			w.revision++
			delete(w.labels, id)
			w.tell(cluster.LabelsGone{Machine: id})
		}
		return
	}
	w.revision++
	w.labels[id] = cluster.Labels{Machine: id, Revision: w.revision, Set: set}
	w.tell(cluster.LabelsChanged{Labels: w.labels[id]})
}

// metadata is the value of a key on a machine, by whoever has the last word.
func (w *world) metadata(id cluster.MachineID, key string) string {
	if value, said := w.labels[id].Set[key]; said {
		return value
	}
	return w.machines[id].Metadata[key]
}
