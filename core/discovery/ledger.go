package discovery

import (
	"slices"
	"time"
)

// Ledger counts the tokens that live, by when they end, so that their number can
// have a bound without asking the store for all of them each time.
type Ledger struct {
	ends []time.Time // in order
}

// Enter notes a token that lives until end. It refuses when as many as the limit
// live already.
func (l *Ledger) Enter(now, end time.Time, limit int) bool {
	past, _ := slices.BinarySearchFunc(l.ends, now, time.Time.Compare)
	l.ends = slices.Delete(l.ends, 0, past)
	if len(l.ends) >= limit {
		return false
	}
	at, _ := slices.BinarySearchFunc(l.ends, end, time.Time.Compare)
	l.ends = slices.Insert(l.ends, at, end)
	return true
}

// Strike takes back a token that was not made after all.
func (l *Ledger) Strike(end time.Time) {
	if at, there := slices.BinarySearchFunc(l.ends, end, time.Time.Compare); there {
		l.ends = slices.Delete(l.ends, at, at+1)
	}
}
