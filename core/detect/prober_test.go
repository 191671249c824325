package detect_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/detect"
)

const ms = time.Millisecond

// bench is one prober in virtual time, and what the world lets through.
type bench struct {
	*detect.Prober
	now      time.Duration
	roundTip time.Duration
	answers  func(address string) bool // to an echo that is sent now
	pending  []pending
	echoes   int
}

type pending struct {
	at      time.Duration
	address string
}

func everyone(string) bool { return true }

func nobody(string) bool { return false }

func but(silent ...string) func(string) bool {
	return func(address string) bool { return !slices.Contains(silent, address) }
}

// turn is one call of the prober, with the answers that have come told first. It
// leaves the time at the next call.
func (b *bench) turn() {
	b.pending = slices.DeleteFunc(b.pending, func(p pending) bool {
		if p.at <= b.now {
			b.Answered(p.address, p.at)
		}
		return p.at <= b.now
	})
	send, wait := b.Tick(b.now)
	for _, address := range send {
		b.echoes++
		if b.answers(address) {
			b.pending = append(b.pending, pending{b.now + b.roundTip, address})
		}
	}
	b.now += wait
}

func (b *bench) until(at time.Duration) {
	for b.now < at {
		b.turn()
	}
}

// untilWord runs until there is a word of silence on a target, for a while at most.
func (b *bench) untilWord(n int, within time.Duration) (word detect.Word, said bool) {
	for end := b.now + within; b.now < end; {
		b.turn()
		for _, word := range b.Words() {
			if word.Target == id(n) && word.Silent {
				return word, true
			}
		}
	}
	return word, false
}

// target is machine n, probed by others too.
func target(n int, others ...int) cluster.Target {
	all := cluster.Target{Machine: id(n), Address: address(n)}
	for _, other := range others {
		all.Others = append(all.Others, cluster.Peer{Machine: id(other), Address: address(other)})
	}
	return all
}

func newBench(targets ...cluster.Target) *bench {
	b := &bench{Prober: detect.NewProber(), roundTip: ms, answers: everyone, now: time.Hour}
	b.Assign(targets, b.now)
	return b
}

func TestSilenceTakesAsLongAsItSays(t *testing.T) {
	b := newBench(target(1, 2, 3), target(4, 2))
	b.until(time.Hour + 10*time.Second)
	if len(b.Words()) != 2 || b.Words()[0].Silent || b.Words()[1].Silent {
		t.Fatalf("all answer, and the words are %+v", b.Words())
	}
	if perSecond := b.echoes / 10 / 4; perSecond > 5 {
		t.Errorf("a machine that answers is asked %d times a second", perSecond)
	}
	died := b.now
	b.answers = but(address(1), address(3))
	word, said := b.untilWord(1, 10*time.Second)
	if took := b.now - died; !said || took < 900*ms || took > 1300*ms {
		t.Fatalf("%+v, %v, %s after the death", word, said, took)
	}
	if word.Never || !slices.Equal(word.Reaches, []cluster.MachineID{id(2)}) || word.Since > died || word.Since < died-250*ms {
		t.Errorf("%+v of a machine that died at %s", word, died)
	}
	b.echoes = 0
	from := b.now
	b.until(from + time.Minute)
	if b.echoes > 4*5*60+2*50*5 {
		t.Errorf("%d echoes in a minute after the verdict", b.echoes)
	}
	b.answers = everyone
	b.until(b.now + time.Second)
	if words := b.Words(); len(words) != 2 || words[0].Silent {
		t.Errorf("it is back, and the words are %+v", words)
	}
}

func TestNeverAnswered(t *testing.T) {
	b := newBench(target(1, 2))
	b.answers = but(address(1))
	b.until(b.now + 2500*ms)
	if words := b.Words(); len(words) != 0 {
		t.Errorf("it may be about to boot, and the words are %+v", words)
	}
	if word, said := b.untilWord(1, 2*time.Second); !said || !word.Never {
		t.Errorf("%+v, %v of a machine that has never answered", word, said)
	}
}

func TestCutOffProberReachesNobody(t *testing.T) {
	b := newBench(target(1, 2, 3), target(2, 1, 3), target(3, 1, 2))
	b.until(b.now + 5*time.Second)
	b.answers = nobody
	b.until(b.now + 10*time.Second)
	for _, word := range b.Words() {
		if !word.Silent || len(word.Reaches) > 0 {
			t.Errorf("a prober that hears of nobody says %+v", word)
		}
	}
}

// A prober that did not run, its machine's clock aside, has heard nothing because it
// did not listen.
func TestPausedProberSaysNothing(t *testing.T) {
	b := newBench(target(1, 2), target(2, 1))
	b.until(b.now + 5*time.Second)
	for range 50 {
		b.now += 7 * time.Second // and what was answered meanwhile is lost
		b.pending = nil
		for range 10 {
			b.turn()
			for _, word := range b.Words() {
				if word.Silent {
					t.Fatalf("after a pause it says %+v", word)
				}
			}
		}
	}
	b.answers = but(address(1))
	if _, said := b.untilWord(1, 2*time.Second); !said {
		t.Error("a prober that was paused does not find a machine silent")
	}
}

// A prober that runs in fits and starts, on a machine under full load, needs longer and
// comes to its verdict all the same.
func TestProberUnderLoad(t *testing.T) {
	b := newBench(target(1, 2), target(2, 1))
	b.until(b.now + 5*time.Second)
	b.answers = but(address(1))
	for range 100 {
		for range 5 {
			b.turn()
		}
		b.now += 300 * ms
		if words := b.Words(); words[0].Silent {
			return
		}
	}
	t.Errorf("100 fits of 5 turns, and the words are %+v", b.Words())
}

func TestReassignedProberKeepsWhatItKnows(t *testing.T) {
	b := newBench(target(1, 2), target(3))
	b.answers = but(address(1))
	b.until(b.now + 5*time.Second)
	before := b.Words()
	b.Assign([]cluster.Target{target(1, 3)}, b.now)
	if now := b.Words(); len(now) != 1 || now[0].Since != before[0].Since || !now[0].Silent {
		t.Errorf("before %+v, after %+v", before, now)
	}
	b.Assign(nil, b.now)
	if send, _ := b.Tick(b.now); len(send) != 0 || len(b.Words()) != 0 {
		t.Errorf("with nobody to probe it probes %v and says %+v", send, b.Words())
	}
	b.Answered(address(1), b.now) // comes late
}

// TestProberProperties: whatever the answers, pauses and assignments, a word of
// silence follows a silence of that length with that many echoes in it, no call is
// asked for in the past, and nobody is asked more than 50 times a second.
func TestProberProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(target(1, 2), target(2, 1))
		heard := map[cluster.MachineID]time.Duration{}
		echoes := map[cluster.MachineID]int{}
		b.answers = func(a string) bool {
			m := id(1)
			if a == address(2) {
				m = id(2)
			}
			if rapid.IntRange(0, 20).Draw(t, "answers") == 0 {
				heard[m], echoes[m] = b.now, 0
				return true
			}
			echoes[m]++
			return false
		}
		b.roundTip = 0
		for range 300 {
			before := b.now
			b.turn()
			b.turnAnswers()
			if b.now <= before {
				t.Fatalf("at %s it wants to be called at %s", before, b.now)
			}
			for _, word := range b.Words() {
				if !word.Silent {
					continue
				}
				if silence := before - heard[word.Target]; silence < detect.Silence || echoes[word.Target] < 40 {
					t.Fatalf("%+v after %s and %d echoes", word, silence, echoes[word.Target])
				}
			}
			if rapid.IntRange(0, 50).Draw(t, "pauses") == 0 {
				b.now += 5 * time.Second
			}
		}
	})
}

// turnAnswers tells at once what needs no time.
func (b *bench) turnAnswers() {
	for _, p := range b.pending {
		b.Answered(p.address, p.at)
	}
	b.pending = nil
}

// TestNoFalseAlarm plays machine-hours in which each packet that a machine sends or
// receives is lost with 30%, on the prober's side and on the target's, and looks for
// moments at which two probers of one target are wrong. See the calculation at the
// constants: one is expected in 200,000 machine-hours.
func TestNoFalseAlarm(t *testing.T) {
	const machineHours, arrives = 4, 0.7
	random := rand.New(rand.NewPCG(1, 2))
	wrong, echoes := 0, 0
	for range machineHours {
		var probers [3]*bench
		for i := range probers {
			b := newBench(target(1, 10, 11, 12))
			b.answers = func(string) bool {
				return random.Float64() < math.Pow(arrives, 4)
			}
			probers[i] = b
		}
		end := probers[0].now + time.Hour
		for {
			next := probers[0]
			for _, b := range probers {
				if b.now < next.now {
					next = b
				}
			}
			if next.now >= end {
				break
			}
			next.turn()
			silent := 0
			for _, b := range probers {
				if words := b.Words(); len(words) > 0 && words[0].Silent {
					silent++
				}
			}
			if silent == 1 {
				wrong++
			}
			if silent > 1 {
				t.Fatalf("two probers are wrong at once, after %s", next.now-time.Hour)
			}
		}
		for _, b := range probers {
			echoes += b.echoes
		}
	}
	t.Logf("%d machine-hours, %d echoes, %d turns with one prober wrong", machineHours, echoes, wrong)
}
