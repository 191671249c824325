package keyspace

import (
	"fmt"
	"strings"
)

// HistoryEvents is how many events one can go back to.
const HistoryEvents = 1000

// History keeps the latest changes for who asks for what it missed. A position
// without a change is one that this history was not told of, such as etcd's
// own first steps.
type History struct {
	latest  uint64 // the tree's index
	changes [HistoryEvents]*Change
}

// NewHistory begins at the index of a tree.
func NewHistory(index uint64) *History { return &History{latest: index} }

// Record keeps a change and forgets the one that is now too old.
func (h *History) Record(change Change) {
	h.latest = change.Index()
	h.changes[h.latest%HistoryEvents] = &change
}

// First finds the first event that the watch asks for, if it has happened. It
// refuses, with an *Error, one that goes back too far.
//
// It looks at the events alone and not at the tree, so it knows less than the
// live watch does and, as etcd, tells a little more: what is hidden is told to
// a recursive watch from above; the end of a directory is told to every key
// that begins with its name, were it only a longer name beside it.
func (h *History) First(watch Watch) (Event, bool, error) {
	if watch.Since == 0 || watch.Since > h.latest {
		return Event{}, false, nil
	}
	oldest := uint64(1)
	if h.latest > HistoryEvents {
		oldest = h.latest - HistoryEvents + 1
	}
	if watch.Since < oldest {
		cause := fmt.Sprintf("the requested history has been cleared [%v/%v]", oldest, watch.Since)
		return Event{}, false, &Error{Code: HistoryCleared, Cause: cause, Index: h.latest}
	}
	for index := watch.Since; index <= h.latest; index++ {
		change := h.changes[index%HistoryEvents]
		if change != nil && !change.Silent && watch.remembers(change.Event) {
			return change.Event, true, nil
		}
	}
	return Event{}, false, nil
}

// remembers tells whether a past event concerns the watch.
func (w Watch) remembers(e Event) bool {
	if e.Node.Key == w.Key || w.Recursive && e.Node.Key.within(w.Key) {
		return true
	}
	ended := (e.Action == ActionDelete || e.Action == ActionExpire) && e.PrevNode.Dir
	return ended && strings.HasPrefix(string(w.Key), string(e.PrevNode.Key))
}
