package cluster

// Event is a change of one fact, in the store's order. The set is closed.
type Event interface{ event() }

// A "Changed" event carries the whole new fact; its Revision tells the order.
// A "Gone" event carries the name alone.
type (
	UnitChanged    struct{ Unit Unit }
	UnitGone       struct{ Name UnitName }
	ContentChanged struct {
		Hash Hash
		Text string
	}
	ContentGone      struct{ Hash Hash }
	MachineChanged   struct{ Machine Machine }
	MachineGone      struct{ ID MachineID }
	LabelsChanged    struct{ Labels Labels }
	LabelsGone       struct{ Machine MachineID }
	PlacementChanged struct{ Placement Placement }
	PlacementGone    struct {
		Machine MachineID
		Unit    UnitName
	}
	StateChanged struct{ State UnitState }
	StateGone    struct {
		Machine MachineID
		Unit    UnitName
	}
	UnplacedChanged struct{ Unplaced Unplaced }
	UnplacedGone    struct{ Unit UnitName }
	LeaderChanged   struct{ Leader Leader }
	LeaderGone      struct{}

	ProbesChanged    struct{ Probes Probes }
	ProbesGone       struct{ Machine MachineID }
	SuspicionChanged struct{ Suspicion Suspicion }
	SuspicionGone    struct{ Target, Prober MachineID }
	DepartedChanged  struct{ Departed Departed }
	DepartedGone     struct{ Machine MachineID }
)

func (UnitChanged) event()      {}
func (UnitGone) event()         {}
func (ContentChanged) event()   {}
func (ContentGone) event()      {}
func (MachineChanged) event()   {}
func (MachineGone) event()      {}
func (LabelsChanged) event()    {}
func (LabelsGone) event()       {}
func (PlacementChanged) event() {}
func (PlacementGone) event()    {}
func (StateChanged) event()     {}
func (StateGone) event()        {}
func (UnplacedChanged) event()  {}
func (UnplacedGone) event()     {}
func (LeaderChanged) event()    {}
func (LeaderGone) event()       {}
func (ProbesChanged) event()    {}
func (ProbesGone) event()       {}
func (SuspicionChanged) event() {}
func (SuspicionGone) event()    {}
func (DepartedChanged) event()  {}
func (DepartedGone) event()     {}

// Stamped returns the event with its fact at another revision. What carries none
// stays as it is.
func Stamped(event Event, revision int64) Event {
	switch e := event.(type) {
	case UnitChanged:
		e.Unit.Revision = revision
		return e
	case MachineChanged:
		e.Machine.Revision = revision
		return e
	case LabelsChanged:
		e.Labels.Revision = revision
		return e
	case PlacementChanged:
		e.Placement.Revision = revision
		return e
	case StateChanged:
		e.State.Revision = revision
		return e
	case UnplacedChanged:
		e.Unplaced.Revision = revision
		return e
	case LeaderChanged:
		e.Leader.Revision = revision
		return e
	case ProbesChanged:
		e.Probes.Revision = revision
		return e
	case SuspicionChanged:
		e.Suspicion.Revision = revision
		return e
	case DepartedChanged:
		e.Departed.Revision = revision
		return e
	default: // a text, or the end of a fact
		return event
	}
}

// Batch is what a follower of the store receives at a time.
type Batch struct {
	// Reset says that Events is the whole picture at Revision: forget what was
	// known before. The first batch is one, and so is each after a gap.
	Reset    bool
	Revision int64   // the store's, up to which everything is now known
	Events   []Event // empty where the store only confirms that nothing has changed
}
