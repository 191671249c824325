package access

import (
	"fmt"
	"strings"

	"argosy/core/cluster"
)

// Caller is who asks something of an API, and what they may do.
type Caller struct {
	// Account is of a person, or what a machine's own user, a member or whoever a
	// member vouches for counts as. Its Name is what is recorded: "alice", "user
	// root on core-01", "member 6c3a...". A Role of "" may do nothing.
	Account Account
	// Who holds the certificate that was shown; of no kind where none was.
	Who Identity
	// From is the address asked from, or "socket"; Via the machine that was asked
	// first and passed the request on, empty where that is the one that answers.
	From, Via string
}

// Verb is what is asked, as far as it matters for who may.
type Verb string

const (
	Look   Verb = "look"   // how a machine's fleetd fares; what its API is
	Read   Verb = "read"   // units, machines, their states and journals
	Change Verb = "change" // a unit: its text, what is wanted of it, a restart
	Label  Verb = "label"  // a machine, by which units of all names may move
	Govern Verb = "govern" // people, tokens, revocations, authorities, secrets, the audit
	Serve  Verb = "serve"  // what machines ask of each other for themselves
	Share  Verb = "share"  // what members ask of each other for themselves: keys
	Enter  Verb = "enter"  // a certificate, where those who have none ask for one
)

// Refused says that somebody may not do what they asked, and what to do about it.
type Refused struct{ Message, Hint string }

func (r *Refused) Error() string { return r.Message }

// May says why a caller may not do something; unit is what a Change is of. What is
// not allowed here is refused, also a verb that is none.
func May(who Caller, verb Verb, unit cluster.UnitName) error {
	a := who.Account
	switch verb {
	case Look:
		return nil
	case Serve:
		if who.Who.IsMachine() {
			return nil
		}
		return &Refused{a.Name + " may not ask this: machines ask it of each other", "fleetd does it by itself"}
	case Share:
		if who.Who.Kind == Member && who.Via == "" {
			return nil
		}
		return &Refused{a.Name + " may not ask this: keys are for members that ask for themselves", "'argosy secrets rekey', on a member, replaces the key"}
	case Read:
		if a.Role.Includes(Viewer) {
			return nil
		}
		return refused(a, "read the cluster", Viewer)
	case Change:
		switch {
		case a.MayChange(unit):
			return nil
		case a.Role.Includes(Operator):
			return &Refused{
				fmt.Sprintf("%s may change units called %s, and not %s", a.Name, strings.Join(a.Units, ", "), unit),
				"an admin may let them: argosy user role " + a.Name + " operator --units PATTERN,...",
			}
		}
		return refused(a, "change units", Operator)
	case Label:
		switch {
		case a.Role == Operator && len(a.Units) > 0:
			return &Refused{
				fmt.Sprintf("%s may change units called %s, and label no machine: that may move any unit", a.Name, strings.Join(a.Units, ", ")),
				"ask an admin, or an operator of all units",
			}
		case a.Role.Includes(Operator):
			return nil
		}
		return refused(a, "label machines", Operator)
	case Govern:
		if a.Role == Admin {
			return nil
		}
		return refused(a, "see or change who may do what", Admin)
	}
	return &Refused{fmt.Sprintf("%q is nothing that anybody may do", verb), "this is a fault of the API's"}
}

// refused says which role is missing.
func refused(a Account, what string, needed Role) error {
	if a.Role == "" {
		return &Refused{fmt.Sprintf("%s may not %s", a.Name, what), "a person's certificate is needed: fleetctl login NAME@MEMBER:49154"}
	}
	return &Refused{
		fmt.Sprintf("%s is %s and may not %s", a.Name, a.Role.article(), what),
		fmt.Sprintf("it takes %s: an admin may say so with 'argosy user role %s %s'", needed.article(), a.Name, needed),
	}
}

func (r Role) article() string {
	if r == Viewer {
		return "a " + string(r)
	}
	return "an " + string(r)
}
