package laws

import (
	"fmt"
	"strings"
	"time"

	"argosy/core/cluster"
)

// Event is something that has happened, told in the order in which it did.
// Nothing in it comes from what the product believes: transactions are what the
// store has taken in, processes are what really runs.
type Event interface{ event() }

// Role is who wrote a transaction.
type Role string

const (
	Agent  Role = "agent"
	Engine Role = "engine"
	API    Role = "api"
	Expiry Role = "expiry" // of a lease, by the store itself
)

// Writer is who wrote a transaction.
type Writer struct {
	Role    Role
	Machine cluster.MachineID
	Run     string // of an engine
	Known   int64  // the revision up to which an engine had been told when it decided
}

func (w Writer) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", w.Role, w.Machine.Short(), w.Run))
}

type (
	// Transaction is one revision of the store.
	Transaction struct {
		At       time.Time
		Revision int64
		By       Writer
		Writes   []Write
	}

	// Told is what has reached a machine's agent: all that has changed from one
	// revision to another, or with Reset all that there is.
	Told struct {
		At          time.Time
		Machine     cluster.MachineID
		Reset       bool
		Since, Upto int64
		Keys        []Key
	}

	// Started is a process that has begun to run.
	Started struct {
		At         time.Time
		Place      Place
		Generation int64 // of the placement that asked for it; 0 where systemd restarted it
		Fenced     bool  // its text asks to run once at most
		Token      int64 // what it finds as its fencing token then
	}

	// Unnoted is fleetd having ended before it could note that systemd had taken a start
	// of a unit, which has ended well since: nothing is left that tells of it.
	Unnoted struct {
		At         time.Time
		Place      Place
		Generation int64
		Fenced     bool
	}

	// Ended is a process that runs no more.
	Ended struct {
		At    time.Time
		Place Place
		Cause Cause
	}

	// Booted is a machine's kernel beginning to run; nothing else runs yet.
	Booted struct {
		At      time.Time
		Machine cluster.MachineID
		Boot    string
	}

	// Crashed is a machine's kernel ending, with all that ran on it.
	Crashed struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Missed is the moment by which a machine that has lost its power must be missed.
	Missed struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// CutOff is a machine's network beginning to carry nothing one way at least, or
	// going on to carry both.
	CutOff struct {
		At      time.Time
		Machine cluster.MachineID
		Cut     bool
	}

	// FenceStands is a new life of a machine's fence.
	FenceStands struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// FenceFell is the end of one for want of word from the cluster.
	FenceFell struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Froze is a machine's kernel beginning to stand still, with all that runs on it.
	Froze struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Thawed is its going on.
	Thawed struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Recovered comes Stall after Thawed: what is over has been noticed there by now.
	Recovered struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Left is an operator's order that a machine leave the cluster.
	Left struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Back is fleetd's beginning on a machine, which ends any leaving.
	Back struct {
		At      time.Time
		Machine cluster.MachineID
	}

	// Acknowledged is a request that an operator was told is done.
	Acknowledged struct {
		At         time.Time
		Unit       cluster.UnitName
		Revision   int64
		Generation int64
		Hash       cluster.Hash
		Wanted     Wanted
		Destroyed  bool
	}
)

// Place is a unit on a machine.
type Place struct {
	Machine cluster.MachineID
	Unit    cluster.UnitName
}

func (p Place) String() string { return fmt.Sprintf("%s on %s", p.Unit, p.Machine.Short()) }

// Cause is why a process ended.
type Cause string

const (
	ByJob    Cause = "a job of fleet's"
	ByItself Cause = "itself" // it exited, was killed, or systemd restarts it
	ByFence  Cause = "the fence"
)

// Stall is how long a machine may take to notice what has become over while its
// kernel stood still: the fence's time to end what is bound to it, and a second.
const Stall = 16 * time.Second

func (Transaction) event()  {}
func (Told) event()         {}
func (Started) event()      {}
func (Unnoted) event()      {}
func (Ended) event()        {}
func (Booted) event()       {}
func (Crashed) event()      {}
func (Missed) event()       {}
func (CutOff) event()       {}
func (FenceStands) event()  {}
func (FenceFell) event()    {}
func (Froze) event()        {}
func (Thawed) event()       {}
func (Recovered) event()    {}
func (Left) event()         {}
func (Back) event()         {}
func (Acknowledged) event() {}

// Key names a fact as ARCHITECTURE.md's table does.
type Key struct {
	Kind    Kind
	Machine cluster.MachineID
	Name    string // of a unit, or a text's hash
}

func (k Key) unit() cluster.UnitName { return cluster.UnitName(k.Name) }

func (k Key) String() string {
	words := []string{string(k.Kind)}
	if k.Machine != "" {
		words = append(words, k.Machine.Short())
	}
	if k.Name != "" {
		words = append(words, k.Name)
	}
	return strings.Join(words, "/")
}

// Kind is a folder of the store.
type Kind string

const (
	Contents   Kind = "contents"
	Unused     Kind = "unused"
	Units      Kind = "units"
	Machines   Kind = "machines"
	Labels     Kind = "labels"
	Placements Kind = "placements"
	States     Kind = "states"
	Unplaced   Kind = "unplaced"
	Leader     Kind = "leader"
	Probes     Kind = "placements/.../probes"
	Suspects   Kind = "suspects" // by the prober, whose fact it is
	Departed   Kind = "departed"
)

// Write is one fact of a transaction as it is afterwards; nil where it is gone.
type Write struct {
	Key  Key
	Fact any // a Text, Unit, Machine, Label, Placement, State, Refusal, Lead or Said
}

func (w Write) String() string {
	if w.Fact == nil {
		return w.Key.String() + " gone"
	}
	return fmt.Sprintf("%s %+v", w.Key, w.Fact)
}

// Wanted is what is wanted of a unit.
type Wanted string

const (
	Inactive Wanted = "inactive"
	Loaded   Wanted = "loaded"
	Launched Wanted = "launched"
)

// The facts, as far as the laws speak of them.
type (
	// Text is a unit's text by what it asks for.
	Text struct{ Wish Wish }

	// Unit is what operators want.
	Unit struct {
		Hash       cluster.Hash
		Wanted     Wanted
		Generation int64
	}

	// Machine is what a machine says of itself.
	Machine struct {
		Boot     string
		Metadata map[string]string
		Memory   int64 // bytes
		GPUs     int64
	}

	// Label is what operators say of a machine, over its own metadata.
	Label struct{ Set map[string]string }

	// Placement is what a machine must run.
	Placement struct {
		Hash       cluster.Hash
		Wanted     Wanted
		Generation int64
		Reason     string
	}

	// State is what a machine says of a unit.
	State struct {
		Active     string
		Generation int64
	}

	// Refusal is why a unit is on no machine.
	Refusal struct {
		Generation int64
		Reason     string
	}

	// Said is a fact of which the laws need to know no more than who wrote it.
	Said struct{}

	// Lead is who leads.
	Lead struct {
		Machine cluster.MachineID
		Run     string
	}
)
