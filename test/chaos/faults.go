package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
)

// Fault is something broken for a while, as drawn and as done.
type Fault struct {
	Kind    Kind
	Machine string
	Other   string        // the machine that a pair is cut off from
	After   time.Duration // since the round began
	For     time.Duration // until it is mended; 0 for what mends itself

	Span        // from before it was begun until after it was mended
	Says string // the error, where it could not be done
}

// Kind is what is broken.
type Kind string

const (
	Kill        Kind = "kill"      // the machine, as a power cut does
	Pause       Kind = "pause"     // the machine, its kernel included
	Reboot      Kind = "reboot"    // the machine, in good order
	Partition   Kind = "partition" // the machine from all others
	Deaf        Kind = "deaf"      // it hears none of the others
	Mute        Kind = "mute"      // none of the others hears it
	Pair        Kind = "pair"      // two machines from one another
	Lossy       Kind = "lossy"     // three packets of ten, each way
	KillFleet   Kind = "kill fleet"
	FreezeFleet Kind = "freeze fleet"
	KillEtcd    Kind = "kill etcd"
	FreezeEtcd  Kind = "freeze etcd"
)

// class are the faults of which a machine has one at a time.
func (k Kind) class() string {
	switch k {
	case Kill, Pause, Reboot:
		return "machine"
	case Partition, Deaf, Mute, Pair, Lossy:
		return "link"
	case KillFleet, FreezeFleet, KillEtcd, FreezeEtcd:
	}
	return "daemon"
}

// takesVote says whether a member with this fault is one less for the store.
func (k Kind) takesVote() bool {
	return slices.Contains([]Kind{Kill, Pause, Reboot, Partition, Deaf, Mute, FreezeEtcd, KillEtcd}, k)
}

// takesMachine says whether the others may take a machine with this fault for
// lost. A cut between two machines alone and whatever befalls its daemons are
// no such thing.
func (k Kind) takesMachine() bool {
	return slices.Contains([]Kind{Kill, Pause, Reboot, Partition, Deaf, Mute}, k)
}

// The kinds, each as often as it is to come.
var kinds = []Kind{
	Kill, Kill, Kill, Pause, Pause, Pause, Reboot, Partition, Partition, Deaf, Mute, Pair, Pair, Lossy,
	KillFleet, KillFleet, FreezeFleet, FreezeFleet, KillEtcd, FreezeEtcd,
}

const (
	firstFault  = 2 * time.Second // after the units have begun to run
	longest     = 40 * time.Second
	mostAtOnce  = 3
	overQuorum  = 10              // one in so many may take the store's majority
	daemonSlack = 8 * time.Second // around a machine's own faults: it must be up to have a daemon's
)

// Draw draws the faults of a round: the same from the same seed. Those of odd
// seeds befall daemons and single links alone, so that no machine is ever lost
// and no process has a reason to end; the others are of all kinds. Most of the
// time they leave the store its majority.
func Draw(seed uint64, machines []Machine, length time.Duration) []Fault {
	random := rand.New(rand.NewPCG(seed, 0xfa))
	kinds := kinds
	if seed%2 == 1 {
		kinds = slices.DeleteFunc(slices.Clone(kinds), Kind.takesMachine)
	}
	var drawn []Fault
	for at := firstFault; ; at += between(random, time.Second, 6*time.Second) {
		if at+2*time.Second > length {
			return drawn
		}
		risky := random.IntN(overQuorum) == 0
		// What does not fit is drawn again, a bounded number of times.
		for range 20 {
			f := draw(random, kinds, machines, at, length)
			if fits(drawn, f, machines, risky) {
				drawn = append(drawn, f)
				break
			}
		}
	}
}

func draw(random *rand.Rand, kinds []Kind, machines []Machine, at, length time.Duration) Fault {
	f := Fault{Kind: kinds[random.IntN(len(kinds))], Machine: machines[random.IntN(len(machines))].Name, After: at}
	// Short ones are as interesting as those that outlast a lease, or a fence.
	switch random.IntN(6) {
	case 0:
		f.For = between(random, cluster.FenceHold, longest)
	case 1, 2:
		f.For = between(random, cluster.FenceTime/2, 2*cluster.FenceTime)
	default:
		f.For = between(random, 200*time.Millisecond, 4*time.Second)
	}
	f.For = min(f.For, length-at)
	switch f.Kind {
	case Pair:
		f.Other = machines[random.IntN(len(machines))].Name
	case Reboot, KillFleet, KillEtcd:
		f.For = 0
	case Kill, Pause, Partition, Deaf, Mute, Lossy, FreezeFleet, FreezeEtcd:
	}
	return f
}

// fits says whether a fault can come on top of those that were drawn before.
func fits(drawn []Fault, f Fault, machines []Machine, risky bool) bool {
	member := func(name string) bool { return slices.Contains(machines, Machine{Name: name, Member: true}) }
	if f.Other == f.Machine || strings.HasSuffix(string(f.Kind), "etcd") && !member(f.Machine) {
		return false
	}
	atOnce, voices := 0, map[string]bool{}
	for _, other := range drawn {
		if !other.touches(f, 0) {
			if other.Machine == f.Machine && (f.Kind.class() == "daemon") != (other.Kind.class() == "daemon") && other.touches(f, daemonSlack) {
				return false
			}
			continue
		}
		atOnce++
		if other.Machine == f.Machine && (other.Kind.class() == f.Kind.class() || f.Kind.class() == "daemon" || other.Kind.class() == "daemon") {
			return false
		}
		if other.Kind.takesVote() && member(other.Machine) {
			voices[other.Machine] = true
		}
	}
	if f.Kind.takesVote() && member(f.Machine) {
		voices[f.Machine] = true
	}
	return atOnce < mostAtOnce && (risky || len(voices) <= 1)
}

// settling is how long a machine needs for what mends itself: to boot, to
// start a daemon again, to be a member again.
const settling = 6 * time.Second

// touches says whether two faults are there at the same time, give or take slack.
func (f Fault) touches(other Fault, slack time.Duration) bool {
	return f.After < other.After+other.For+settling+slack && other.After < f.After+f.For+settling+slack
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(random.Int64N(int64(most-least)))).Round(100 * time.Millisecond)
}

// String is the fault as a line of the schedule.
func (f Fault) String() string {
	text := fmt.Sprintf("%s %s", f.Kind, f.Machine)
	if f.Other != "" {
		text += " and " + f.Other
	}
	if f.For > 0 {
		text += fmt.Sprintf(" for %s", f.For)
	}
	return text
}
