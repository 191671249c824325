// Package detect decides which machines are lost: who probes whom (Rota), what a
// prober may say of a target (Prober), and what the leader makes of the words of
// several probers, of leases and of departures (Court).
//
// A probe asks a machine's kernel, not fleetd or etcd: a daemon that hangs is no
// lost machine. A machine is lost at once when two of its probers hear nothing of it
// and hear of each other, and else when its lease has ended and no prober hears of
// it. One whose lease has ended and that answers is out of touch: nothing moves.
//
// It sends nothing and reads no clock. A time is a time.Duration since a moment of
// the prober's choice, on a clock that is never set: a jump of the machine's clock
// means nothing here.
package detect

import "time"

// probers is how many machines probe each machine, where there are as many.
const probers = 3

// How often is probed, and what silence takes. The figures are a calculation:
//
// Where each packet is lost with 30%, an echo comes back with 0.7 x 0.7 = 49% if one
// of the two machines loses packets, and with 0.7^4 = 24% if both do. Of 40 echoes
// in a row all are lost with 0.51^40 = 2e-12, or 0.76^40 = 1.7e-5. Such a row begins
// with an answer, some 12,000 times an hour at worst, so that one prober of a pair
// where both lose packets is wrong 0.2 times an hour, until the next answer 80 ms
// later. For a verdict two of three must be wrong at one time: 3 pairs x 0.2 x 0.2 x
// 2 x 80 ms / 3,600 s = 5e-6 times a machine's hour, and 1e-19 where one loses
// packets. TestNoFalseAlarm plays it.
//
// That many echoes fit into the silence because an echo that is not answered soon is
// followed by others fast; a machine that answers is asked at leisure.
const (
	// Silence is how long a kernel must not have answered.
	Silence = 1200 * time.Millisecond
	// leisure is the time between two echoes to a machine that answers.
	leisure = 200 * time.Millisecond
	// answerTime is how long an echo may take before it counts as not answered.
	answerTime = 100 * time.Millisecond
	// haste is the time between two echoes to a machine that has not answered.
	haste = 20 * time.Millisecond
	// unanswered is how many echoes in a row must have had their time.
	unanswered = 40
	// hasteEnds is how long a machine is asked in haste: after the verdict for as
	// long as a false one, which an answer takes back, should not last.
	hasteEnds = 5 * time.Second
	// neverAfter is how long a machine that has not answered once is asked before
	// that is said. It may be about to boot.
	neverAfter = 3 * time.Second
	// stalled is how much later than it asked for a prober may be called. One that
	// is called later did not run, and did not listen: that time is part of no
	// silence, and what was under way then counts neither way. What it knew before
	// stands, so that a machine under full load finds others lost all the same.
	stalled = 250 * time.Millisecond
	// meanwhile is how much later than the silent machine another must have answered
	// to count as reached: two that are cut off at one moment fall silent at one
	// moment, or nearly so.
	meanwhile = 500 * time.Millisecond
)
