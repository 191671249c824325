package access

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
)

var verbs = []Verb{Look, Read, Change, Label, Govern, Serve, Share}

func person(role Role, units ...string) Caller {
	return Caller{Account: Account{Name: "alice", Role: role, Units: units}, Who: Identity{Kind: Person, Name: "alice"}}
}

func TestMay(t *testing.T) {
	machine := Caller{Account: Account{Name: "worker " + id}, Who: Identity{Kind: Worker, Name: id}}
	member := Caller{Account: Account{Name: "member " + id}, Who: Identity{Kind: Member, Name: id}}
	vouched := Caller{Account: Account{Name: "alice", Role: Admin}, Who: Identity{Kind: Member, Name: id}, Via: id}
	local := Caller{Account: Account{Name: "local " + id}, Who: Identity{Kind: Local, Name: id}}
	for _, c := range []struct {
		who    Caller
		allows string // verbs
	}{
		{person(""), "look"},
		{person("root"), "look"},
		{person(Viewer), "look read"},
		{person(Operator), "look read change label"},
		{person(Operator, "web*"), "look read change"},
		{person(Operator, "db*"), "look read"},
		{person(Admin), "look read change label govern"},
		{machine, "look serve"},
		{local, "look"},
		{member, "look serve share"},
		{vouched, "look read change label govern serve"},
	} {
		for _, verb := range verbs {
			err := May(c.who, verb, "web@1.service")
			if may := strings.Contains(" "+c.allows+" ", " "+string(verb)+" "); may != (err == nil) {
				t.Errorf("%+v, %s: %v", c.who, verb, err)
			}
		}
		if May(c.who, "", "web.service") == nil || May(c.who, "reads", "web.service") == nil {
			t.Errorf("%+v may do what is no verb", c.who)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Refused
	}{
		{May(person(""), Read, ""), Refused{"alice may not read the cluster", "a person's certificate is needed: fleetctl login NAME@MEMBER:49154"}},
		{May(person(Viewer), Change, "web.service"), Refused{"alice is a viewer and may not change units", "it takes an operator: an admin may say so with 'argosy user role alice operator'"}},
		{May(person(Operator, "web*", "db@*"), Change, "api.service"), Refused{"alice may change units called web*, db@*, and not api.service", "an admin may let them: argosy user role alice operator --units PATTERN,..."}},
		{May(person(Operator, "web*"), Label, ""), Refused{"alice may change units called web*, and label no machine: that may move any unit", "ask an admin, or an operator of all units"}},
		{May(person(Operator), Govern, ""), Refused{"alice is an operator and may not see or change who may do what", "it takes an admin: an admin may say so with 'argosy user role alice admin'"}},
		{May(person(Admin), Serve, ""), Refused{"alice may not ask this: machines ask it of each other", "fleetd does it by itself"}},
		{May(person(Admin), Share, ""), Refused{"alice may not ask this: keys are for members that ask for themselves", "'argosy secrets rekey', on a member, replaces the key"}},
	} {
		if got, is := c.err.(*Refused); !is || *got != c.want { //nolint:errorlint // May wraps nothing
			t.Errorf("%#v, want %#v", c.err, c.want)
		}
	}
}

var (
	someRole     = rapid.SampledFrom([]Role{"", "root", Viewer, Operator, Admin})
	somePatterns = rapid.SliceOfN(rapid.SampledFrom([]string{"*", "web*", "web@?.service", "db.service", "[a-d]*", "*.timer"}), 1, 4)
	someUnit     = rapid.SampledFrom([]cluster.UnitName{"web.service", "web@1.service", "web@.service", "db.service", "db.timer", "api.socket"})
	someVerb     = rapid.SampledFrom(verbs)
)

// A viewer, and whoever has no role, never changes anything.
func TestViewersChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who := person(rapid.SampledFrom([]Role{"", "root", Viewer}).Draw(t, "role"), somePatterns.Draw(t, "units")...)
		for _, verb := range []Verb{Change, Label, Govern, Serve, Share} {
			if May(who, verb, someUnit.Draw(t, "unit")) == nil {
				t.Fatalf("%+v may %s", who, verb)
			}
		}
	})
}

// Whoever has fewer patterns, or any in the place of none, or a lesser role, may do
// nothing that they might not before.
func TestNarrowerNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wide := somePatterns.Draw(t, "units")
		narrow := wide[:rapid.IntRange(1, len(wide)).Draw(t, "kept")]
		if rapid.Bool().Draw(t, "all units before") {
			wide = nil
		}
		role, verb, unit := someRole.Draw(t, "role"), someVerb.Draw(t, "verb"), someUnit.Draw(t, "unit")
		if May(person(role, narrow...), verb, unit) == nil && May(person(role, wide...), verb, unit) != nil {
			t.Fatalf("%s of %v may %s %s, of %v not", role, narrow, verb, unit, wide)
		}
		lesser := someRole.Draw(t, "lesser")
		if role.Includes(lesser) && May(person(lesser, narrow...), verb, unit) == nil && May(person(role, narrow...), verb, unit) != nil {
			t.Fatalf("%s may %s %s, %s not", lesser, verb, unit, role)
		}
	})
}
