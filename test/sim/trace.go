package sim

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"argosy/test/sim/laws"
)

// kept is how many events a failure shows.
const kept = 400

// trace remembers the last events, as values: they are put into words when
// somebody asks.
type trace struct {
	ring  [kept]entry
	count int
	whole bool   // hash every event
	sum   uint64 // of all events so far, where whole is set
}

type entry struct {
	at    time.Time
	event any
}

// note remembers an event, or a remark on what the world does to the cluster.
func (t *trace) note(at time.Time, event any) {
	e := entry{at, event}
	t.ring[t.count%kept] = e
	t.count++
	if t.whole {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", t.sum, e)
		t.sum = h.Sum64()
	}
}

// last puts the last events into words.
func (t *trace) last() string {
	var lines []string
	for i := max(0, t.count-kept); i < t.count; i++ {
		lines = append(lines, t.ring[i%kept].String())
	}
	return strings.Join(lines, "\n")
}

func (e entry) String() string {
	words := fmt.Sprint(e.event)
	if event, is := e.event.(laws.Event); is {
		words = laws.Words(event)
	}
	return fmt.Sprintf("%9.4f %s", e.at.Sub(epoch).Seconds(), words)
}
