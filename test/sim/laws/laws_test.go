package laws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/test/sim/laws"
)

// story is a history that a test makes up.
type story struct {
	*laws.Laws
	revision int64
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func id(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

var (
	engine = laws.Writer{Role: laws.Engine, Machine: id(1), Run: "a"}
	api    = laws.Writer{Role: laws.API, Machine: id(1)}
)

func (s *story) write(by laws.Writer, writes ...laws.Write) {
	s.revision++
	if by.Role == laws.Engine && by.Known == 0 {
		by.Known = s.revision - 1
	}
	s.See(laws.Transaction{Revision: s.revision, By: by, Writes: writes})
}

func agentOf(n int) laws.Writer { return laws.Writer{Role: laws.Agent, Machine: id(n)} }

func machine(n int, fact any) laws.Write {
	return laws.Write{Key: laws.Key{Kind: laws.Machines, Machine: id(n)}, Fact: fact}
}

func unit(name string, fact any) laws.Write {
	return laws.Write{Key: laws.Key{Kind: laws.Units, Name: name}, Fact: fact}
}

func text(w laws.Wish) laws.Write {
	return laws.Write{Key: laws.Key{Kind: laws.Contents, Name: string(hash(w))}, Fact: laws.Text{Wish: w}}
}

func hash(w laws.Wish) cluster.Hash { return cluster.HashOf(w.Text()) }

func placement(n int, name string, fact any) laws.Write {
	return laws.Write{Key: laws.Key{Kind: laws.Placements, Machine: id(n), Name: name}, Fact: fact}
}

func refusal(name string, fact any) laws.Write {
	return laws.Write{Key: laws.Key{Kind: laws.Unplaced, Name: name}, Fact: fact}
}

func at(n int, name string) laws.Place {
	return laws.Place{Machine: id(n), Unit: cluster.UnitName(name)}
}

func of(w laws.Wish, generation int64) laws.Placement {
	return laws.Placement{Hash: hash(w), Wanted: laws.Launched, Generation: generation, Reason: "least loaded"}
}

// want has an operator want a unit launched.
func (s *story) want(name string, w laws.Wish, generation int64) {
	s.write(api, text(w), unit(name, laws.Unit{Hash: hash(w), Wanted: laws.Launched, Generation: generation}))
}

// guarded has f.service begin to run behind a fence.
func (s *story) guarded(n int, generation, token int64) {
	s.See(laws.Started{Place: at(n, "f.service"), Generation: generation, Fenced: true, Token: token})
}

// begin tells of three machines of 4 GiB, the first of which leads, and of
// a.service, which runs on the second.
func begin() *story {
	s := &story{Laws: laws.New()}
	for n := 1; n <= 3; n++ {
		s.See(laws.Booted{Machine: id(n), Boot: "b"})
		s.write(agentOf(n), machine(n, laws.Machine{Boot: "b", Memory: 4 << 30, Metadata: map[string]string{"region": fmt.Sprint("r", n)}}))
	}
	s.write(engine, laws.Write{Key: laws.Key{Kind: laws.Leader}, Fact: laws.Lead{Machine: id(1), Run: "a"}})
	s.want("a.service", laws.Wish{}, 1)
	s.write(engine, placement(2, "a.service", of(laws.Wish{}, 1)))
	s.See(laws.Told{Machine: id(2), Upto: s.revision, Keys: []laws.Key{{Kind: laws.Placements, Machine: id(2), Name: "a.service"}}})
	s.See(laws.Started{Place: at(2, "a.service"), Generation: 1})
	return s
}

// TestStories tells histories, each with the law that it breaks, if any.
func TestStories(t *testing.T) {
	fenced, metadata := laws.Wish{Fenced: true}, laws.Wish{Metadata: map[string]string{"region": "r1"}}
	loner, large := laws.Wish{Conflicts: []string{"a.*"}}, laws.Wish{Memory: 3}
	for name, c := range map[string]struct {
		law  laws.Law
		says string
		tell func(s *story)
	}{
		"nothing happens": {tell: func(*story) {}},
		"a unit is ended though nothing has changed": {laws.Outlive, "a.service on 00000000... was ended", func(s *story) {
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByJob})
		}},
		"a unit ends by itself": {tell: func(s *story) {
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByItself})
		}},
		"a unit is ended by order": {tell: func(s *story) {
			s.write(api, unit("a.service", laws.Unit{Hash: hash(laws.Wish{}), Wanted: laws.Inactive, Generation: 2}))
			s.write(engine, placement(2, "a.service", nil))
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByJob})
		}},
		"a machine that leaves ends its units": {tell: func(s *story) {
			s.See(laws.Left{Machine: id(2)})
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByJob})
		}},
		"a machine that is back from leaving ends a unit": {laws.Outlive, "was ended", func(s *story) {
			s.See(laws.Left{Machine: id(2)})
			s.See(laws.Back{Machine: id(2)})
			s.want("b.service", laws.Wish{}, 1)
			s.write(engine, placement(2, "b.service", of(laws.Wish{}, 1)))
			s.See(laws.Started{Place: at(2, "b.service"), Generation: 1})
			s.See(laws.Ended{Place: at(2, "b.service"), Cause: laws.ByJob})
		}},
		"a fenced unit runs twice": {laws.AtMost, "while it runs on", func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.guarded(3, 1, 6)
		}},
		"a fenced unit runs again where its machine's kernel has ended": {tell: func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.See(laws.Crashed{Machine: id(1)})
			s.guarded(3, 1, 6)
		}},
		"it runs again where its machine's kernel stands still": {tell: func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.See(laws.Froze{Machine: id(1)})
			s.guarded(3, 1, 6)
			s.See(laws.Thawed{Machine: id(1)})
			s.See(laws.Ended{Place: at(1, "f.service"), Cause: laws.ByFence})
			s.See(laws.Recovered{Machine: id(1)})
		}},
		"it runs on long after its machine's kernel stood still": {laws.AtMost, "while it runs on", func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.See(laws.Froze{Machine: id(1)})
			s.guarded(3, 1, 6)
			s.See(laws.Thawed{Machine: id(1)})
			s.See(laws.Recovered{Machine: id(1)})
		}},
		"it was not fenced in between": {tell: func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.want("f.service", laws.Wish{}, 2)
			s.want("f.service", fenced, 3)
			s.guarded(3, 3, 6)
		}},
		"a later start finds a lower token": {laws.AtMost, "the token", func(s *story) {
			s.want("f.service", fenced, 1)
			s.guarded(1, 1, 5)
			s.See(laws.Ended{Place: at(1, "f.service"), Cause: laws.ByItself})
			s.guarded(3, 1, 5)
		}},
		"a fence ends what did not ask for it": {laws.Outlive, "did not ask", func(s *story) {
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByFence})
		}},
		"a fence falls in the calm": {laws.Outlive, "nothing happens", func(s *story) {
			s.Quieten()
			s.See(laws.FenceFell{Machine: id(2)})
		}},
		"an unfenced unit runs twice": {tell: func(s *story) { s.See(laws.Started{Place: at(3, "a.service")}) }},
		"a deposed leader writes": {laws.OneLeader, "where", func(s *story) {
			s.want("b.service", laws.Wish{}, 1)
			s.write(laws.Writer{Role: laws.Engine, Machine: id(2), Run: "old"}, placement(1, "b.service", of(laws.Wish{}, 1)))
		}},
		"a leader places what has changed meanwhile": {laws.OneLeader, "another unit", func(s *story) {
			s.want("b.service", laws.Wish{}, 1)
			s.want("b.service", large, 2)
			s.write(engine, placement(1, "b.service", of(laws.Wish{}, 1)))
		}},
		"all agents are woken": {laws.NoHerd, "was woken at revision 6, and nothing", func(s *story) {
			s.See(laws.Told{Machine: id(3), Upto: s.revision})
		}},
		"an agent is told of another's": {laws.NoHerd, "was told of placements", func(s *story) {
			s.See(laws.Told{Machine: id(3), Reset: true, Keys: []laws.Key{{Kind: laws.Placements, Machine: id(2), Name: "a.service"}}})
		}},
		"an idle cluster writes": {laws.NoHerd, "nothing changes", func(s *story) {
			s.Quieten()
			s.write(agentOf(2), laws.Write{Key: laws.Key{Kind: laws.States, Machine: id(2), Name: "a.service"}, Fact: laws.State{Active: "active"}})
		}},
		"a unit comes to another region": {laws.Checked, `region is "r3", not "r1"`, func(s *story) {
			s.want("b.service", metadata, 1)
			s.write(engine, placement(3, "b.service", of(metadata, 1)))
		}},
		"a unit comes where labels allow it": {tell: func(s *story) {
			s.write(api, laws.Write{Key: laws.Key{Kind: laws.Labels, Machine: id(3)}, Fact: laws.Label{Set: map[string]string{"region": "r1"}}})
			s.want("b.service", metadata, 1)
			s.write(engine, placement(3, "b.service", of(metadata, 1)))
		}},
		"a unit comes beside what it avoids": {laws.Checked, "it avoids a.service", func(s *story) {
			s.want("b.service", loner, 1)
			s.write(engine, placement(2, "b.service", of(loner, 1)))
		}},
		"a unit comes beside what avoids it": {laws.Checked, "b.service avoids it", func(s *story) {
			s.want("b.service", loner, 1)
			s.write(engine, placement(1, "b.service", of(loner, 1)))
			s.want("a@1.service", laws.Wish{}, 1)
			s.want("a.1.service", laws.Wish{}, 1)
			s.write(engine, placement(1, "a.1.service", of(laws.Wish{}, 1)))
		}},
		"two units come where there is room for one": {laws.Checked, "4 GiB for 6", func(s *story) {
			s.want("b.service", large, 1)
			s.want("c.service", large, 1)
			s.write(engine, placement(1, "b.service", of(large, 1)), placement(1, "c.service", of(large, 1)))
		}},
		"one instance too many": {laws.Checked, "it is one of 2 of its template", func(s *story) {
			alone := laws.Wish{Most: 1}
			s.want("w@1.service", alone, 1)
			s.want("w@2.service", alone, 1)
			s.write(engine, placement(1, "w@1.service", of(alone, 1)))
			s.write(engine, placement(1, "w@2.service", of(alone, 1)))
		}},
		"a unit comes without its peer": {laws.Checked, "a.service is not there", func(s *story) {
			peer := laws.Wish{With: []cluster.UnitName{"a.service"}}
			s.want("b.service", peer, 1)
			s.write(engine, placement(1, "b.service", of(peer, 1)))
		}},
		"a unit comes to a lost machine": {laws.Checked, "the machine is not there", func(s *story) {
			s.write(laws.Writer{Role: laws.Expiry}, machine(3, nil))
			s.want("b.service", laws.Wish{}, 1)
			s.write(engine, placement(3, "b.service", of(laws.Wish{}, 1)))
		}},
		"a unit moves for nothing": {laws.Needless, "though it may stay", func(s *story) {
			s.write(engine, placement(2, "a.service", nil), placement(3, "a.service", of(laws.Wish{}, 1)))
		}},
		"a unit gives way to one that has grown as it has": {tell: func(s *story) {
			s.want("b.service", laws.Wish{}, 1)
			s.write(engine, placement(2, "b.service", of(laws.Wish{}, 1)))
			s.want("b.service", large, 2)
			s.want("a.service", large, 2)
			s.write(engine, placement(2, "a.service", nil), placement(3, "a.service", of(large, 2)))
		}},
		"a unit moves off a lost machine": {tell: func(s *story) {
			s.write(laws.Writer{Role: laws.Expiry}, machine(2, nil))
			s.write(engine, placement(2, "a.service", nil), placement(3, "a.service", of(laws.Wish{}, 1)))
		}},
		"a unit moves off a machine that has just come back": {tell: func(s *story) {
			s.write(laws.Writer{Role: laws.Expiry}, machine(2, nil))
			decides := engine
			decides.Known = s.revision
			s.write(agentOf(2), machine(2, laws.Machine{Boot: "b"}))
			s.write(decides, placement(2, "a.service", nil), placement(3, "a.service", of(laws.Wish{}, 1)))
		}},
		"a machine that answers is taken for lost": {laws.Needless, "has always answered", func(s *story) {
			s.write(engine, machine(3, nil))
		}},
		"a machine that answers again is taken for lost": {laws.Needless, "has answered for 2m0s", func(s *story) {
			s.See(laws.CutOff{Machine: id(3), Cut: true, At: noon})
			s.See(laws.CutOff{Machine: id(3), At: noon.Add(time.Hour)})
			s.revision++
			s.See(laws.Transaction{Revision: s.revision, By: engine, At: noon.Add(time.Hour + 2*time.Minute), Writes: []laws.Write{machine(3, nil)}})
		}},
		"a machine that stands still is lost": {tell: func(s *story) {
			s.See(laws.Froze{Machine: id(3)})
			s.write(engine, machine(3, nil))
		}},
		"a machine is lost that has just booted again": {tell: func(s *story) {
			s.See(laws.Crashed{Machine: id(3), At: noon})
			s.See(laws.Booted{Machine: id(3), At: noon, Boot: "c"})
			s.revision++
			s.See(laws.Transaction{Revision: s.revision, By: engine, At: noon.Add(time.Second), Writes: []laws.Write{machine(3, nil)}})
		}},
		"a machine that answers is out of touch": {tell: func(s *story) {
			s.write(laws.Writer{Role: laws.Expiry}, machine(3, nil))
		}},
		"a machine without power is not missed": {laws.Found, "nobody knows", func(s *story) {
			s.See(laws.Crashed{Machine: id(3)})
			s.See(laws.Missed{Machine: id(3)})
		}},
		"a machine without power is missed": {tell: func(s *story) {
			s.See(laws.Crashed{Machine: id(3)})
			s.write(engine, machine(3, nil))
			s.See(laws.Missed{Machine: id(3)})
		}},
		"a decision without a reason": {laws.Explained, "has no reason", func(s *story) {
			s.want("b.service", laws.Wish{}, 1)
			s.write(engine, refusal("b.service", laws.Refusal{Generation: 1}))
		}},
		"what was acknowledged is gone": {laws.NotLost, "is not there", func(s *story) {
			s.See(laws.Acknowledged{Unit: "b.service", Revision: s.revision, Generation: 1})
		}},
		"what was acknowledged is something else": {laws.NotLost, "acknowledged as loaded", func(s *story) {
			s.See(laws.Acknowledged{Unit: "a.service", Revision: s.revision, Generation: 1, Wanted: laws.Loaded, Hash: hash(laws.Wish{})})
		}},
		"what was destroyed stands": {laws.NotLost, "was destroyed", func(s *story) {
			s.See(laws.Acknowledged{Unit: "a.service", Revision: s.revision, Generation: 2, Destroyed: true})
		}},
		"a change is overwritten unseen": {laws.NotLost, "from generation 1 to 3", func(s *story) { s.want("a.service", large, 3) }},
		"a generation comes again": {laws.NotLost, "made anew as generation 1", func(s *story) {
			s.write(api, unit("a.service", nil))
			s.want("a.service", large, 1)
		}},
		"a text in use is collected": {laws.NotLost, "has ended", func(s *story) {
			s.write(engine, laws.Write{Key: laws.Key{Kind: laws.Contents, Name: string(hash(laws.Wish{}))}})
		}},
		"an agent places":             {laws.OneWriter, "agent 00000000... wrote placements", func(s *story) { s.write(agentOf(2), placement(2, "a.service", of(laws.Wish{}, 1))) }},
		"an agent speaks for another": {laws.OneWriter, "wrote machines", func(s *story) { s.write(agentOf(2), machine(3, laws.Machine{})) }},
		"an engine takes a unit away": {laws.OneWriter, "wrote units", func(s *story) { s.write(engine, unit("a.service", nil)) }},
		"a unit is started twice":     {laws.Once, "2 times", func(s *story) { s.See(laws.Started{Place: at(2, "a.service"), Generation: 1}) }},
		"a unit is started in a new boot": {tell: func(s *story) {
			s.See(laws.Crashed{Machine: id(2)})
			s.See(laws.Booted{Machine: id(2), Boot: "c"})
			s.See(laws.Started{Place: at(2, "a.service"), Generation: 1})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin()
			c.tell(s)
			broken := s.Broken()
			switch {
			case c.law == "" && len(broken) > 0:
				t.Errorf("broken: %v", broken)
			case c.law != "" && (len(broken) == 0 || broken[0].Law != c.law || !strings.Contains(broken[0].What, c.says)):
				t.Errorf("broken: %v, want %s: ... %s", broken, c.law, c.says)
			}
		})
	}
}
