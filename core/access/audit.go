package access

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Entry is one thing that somebody did, or was refused: key audit/<shelf>/<when>,
// written in the transaction of what was done, and never changed.
type Entry struct {
	// Revision is the store's of that transaction: entries are in order by it,
	// whatever the clocks said.
	Revision int64 `json:"revision,omitempty"`

	At   time.Time `json:"at"`
	By   string    `json:"by"` // "alice", "user root on core-01", "member 6c3a..."
	Role Role      `json:"role,omitempty"`
	From string    `json:"from,omitempty"` // an address, or "socket"
	Via  string    `json:"via,omitempty"`  // the machine that was asked first and passed it on

	Verb Verb   `json:"verb"`
	Did  string `json:"did"` // "set unit web.service", "revoke person alice"
	Note string `json:"note,omitempty"`

	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // it was refused
	// Unrecorded counts refusals of the same one that came too fast, since the last
	// that was recorded.
	Unrecorded int `json:"unrecorded,omitempty"`
}

// AuditQuery is which entries are asked for. They are told in the order of their
// revisions.
type AuditQuery struct {
	After int64     // only those behind this revision
	Since time.Time // only those from then on, by the clocks of the members that wrote them
	Last  int       // only so many of them, the last; 0 for all
}

// Outcome is what came of something.
type Outcome string

const (
	Done    Outcome = "done"
	Asked   Outcome = "asked" // a machine was asked to do it, and tells the one who asked how it went
	Barred  Outcome = "refused"
	Lost    Outcome = "conflict" // with what somebody else has done, or with what is there
	maxNote         = 512        // bytes of each text of an entry
)

// Shelf is what entries are kept together: each shelf ends its own oldest, so that
// nobody can have what is on another one ended, however much they do.
type Shelf string

const (
	Changes  Shelf = "changes"  // of units and labels
	Rule     Shelf = "rule"     // who may do what, secrets, machines that join
	Refusals Shelf = "refusals" // and conflicts: what was not done
	// Strangers are who was refused a certificate. Whoever reaches a member's port can
	// have such entries written.
	Strangers Shelf = "strangers"
)

// Shelves are all there are.
func Shelves() []Shelf { return []Shelf{Changes, Rule, Refusals, Strangers} }

// Keeps is how many entries a shelf has before its oldest end.
func (s Shelf) Keeps() int {
	switch s {
	case Changes:
		return 100_000
	case Rule:
		return 50_000
	case Refusals, Strangers:
	}
	return 10_000
}

// Shelf is where an entry is kept.
func (e Entry) Shelf() Shelf {
	switch {
	case e.Verb == Enter:
		return Strangers
	case e.Outcome == Barred || e.Outcome == Lost:
		return Refusals
	case e.Verb == Change || e.Verb == Label:
		return Changes
	}
	return Rule
}

// Entry is that the caller did something.
func (c Caller) Entry(verb Verb, did, note string, at time.Time) Entry {
	return Entry{
		At: at.UTC(), By: clipped(c.Account.Name), Role: c.Account.Role, From: clipped(c.From), Via: c.Via,
		Verb: verb, Did: clipped(did), Note: clipped(note), Outcome: Done,
	}
}

// Refusal is that the caller was refused something.
func (c Caller) Refusal(verb Verb, asked, why string, at time.Time) Entry {
	e := c.Entry(verb, asked, "", at)
	e.Outcome, e.Why = Barred, clipped(why)
	return e
}

// Conflict is that what the caller asked does not go with what is there.
func (c Caller) Conflict(verb Verb, asked, why string, at time.Time) Entry {
	e := c.Refusal(verb, asked, why, at)
	e.Outcome = Lost
	return e
}

// Stranger is who was refused a certificate: nobody who is known, at an address.
func Stranger(from string) Caller {
	return Caller{Account: Account{Name: "somebody"}, From: from}
}

// clipped makes a text of whoever asked one line of a bounded length.
func clipped(text string) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= maxNote {
		return text
	}
	cut := maxNote - len("...")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// Meter bounds how many refusals of one name are recorded. The zero value is ready.
type Meter struct {
	names map[string]*allowance
}

// StrangersMeter bounds those of strangers: of one address as of one name, and of all
// together, because who has many addresses is not many.
type StrangersMeter struct {
	each Meter
	all  allowance
}

type allowance struct {
	left  float64
	since time.Time // up to when left was counted
	over  int       // that were not recorded since the last that was
}

const (
	burst      = 10 // refusals of one name that are recorded at once,
	perMinute  = 6  // and then one in ten seconds
	meterNames = 1000

	strangersBurst     = 100 // of all strangers together,
	strangersPerMinute = 30  // and then one in two seconds
)

// Allow says whether one more refusal of a name is recorded, and how many of it were
// not since the last that was.
func (m *Meter) Allow(name string, now time.Time) (unrecorded int, allowed bool) {
	a := m.of(name)
	a.fill(now, burst, perMinute)
	return a.take(a.left >= 1)
}

func (m *Meter) of(name string) *allowance {
	if m.names == nil || len(m.names) >= meterNames && m.names[name] == nil {
		m.names = map[string]*allowance{} // more at once are no people: they begin anew together
	}
	if m.names[name] == nil {
		m.names[name] = &allowance{}
	}
	return m.names[name]
}

// Allow says the same of one from an address.
func (m *StrangersMeter) Allow(from string, now time.Time) (unrecorded int, allowed bool) {
	a := m.each.of(from)
	a.fill(now, burst, perMinute)
	m.all.fill(now, strangersBurst, strangersPerMinute)
	both := a.left >= 1 && m.all.left >= 1
	m.all.take(both)
	return a.take(both)
}

// fill adds what the time since the last look brings, up to most; at first that is there.
func (a *allowance) fill(now time.Time, most, perMinute float64) {
	if a.since.IsZero() {
		a.left = most
	} else {
		a.left = min(most, a.left+max(0, now.Sub(a.since).Minutes())*perMinute)
	}
	a.since = now
}

func (a *allowance) take(allowed bool) (unrecorded int, _ bool) {
	if !allowed {
		a.over++
		return 0, false
	}
	unrecorded, a.over = a.over, 0
	a.left--
	return unrecorded, true
}
