package laws_test

import (
	"fmt"
	"strings"
	"testing"

	"argosy/test/sim/laws"
)

func state(n int, name, active string, generation int64) laws.Write {
	return laws.Write{
		Key:  laws.Key{Kind: laws.States, Machine: id(n), Name: name},
		Fact: laws.State{Active: active, Generation: generation},
	}
}

// TestAtRest tells histories after which a cluster is at rest, or is not.
func TestAtRest(t *testing.T) {
	global, far := laws.Wish{Global: true}, laws.Wish{Metadata: map[string]string{"region": "r9"}}
	for name, c := range map[string]struct {
		says string
		tell func(s *story)
	}{
		"all is well": {tell: func(*story) {}},
		"a machine is up and not registered": {`is up with boot "c"`, func(s *story) {
			s.See(laws.Crashed{Machine: id(3)})
			s.See(laws.Booted{Machine: id(3), Boot: "c"})
		}},
		"a unit does not run where it is placed": {"does not run on", func(s *story) {
			s.See(laws.Crashed{Machine: id(2)})
			s.See(laws.Booted{Machine: id(2), Boot: "b"})
		}},
		"a unit runs as it was asked for before": {"generation 1 runs, not 2", func(s *story) {
			s.want("a.service", laws.Wish{}, 2)
			s.write(engine, placement(2, "a.service", of(laws.Wish{}, 2)))
			s.write(agentOf(2), state(2, "a.service", "active", 2))
		}},
		"a unit has ended by itself": {tell: func(s *story) {
			s.See(laws.Ended{Place: at(2, "a.service"), Cause: laws.ByItself})
			s.write(agentOf(2), state(2, "a.service", "inactive", 1))
		}},
		"a unit runs elsewhere as well": {"where it has no business", func(s *story) {
			s.See(laws.Started{Place: at(3, "a.service")})
		}},
		"a unit runs as it was wanted before": {"it is placed as", func(s *story) { s.want("a.service", far, 2) }},
		"a unit that nobody wants is placed": {"placed on 00000000... and not wanted", func(s *story) {
			s.write(api, unit("a.service", nil))
		}},
		"a unit's state is out of date": {"its state says", func(s *story) {
			s.write(agentOf(2), state(2, "a.service", "inactive", 1))
		}},
		"a unit is nowhere": {"nothing says why", func(s *story) { s.want("b.service", laws.Wish{}, 1) }},
		"a unit is nowhere for reason": {tell: func(s *story) {
			s.want("b.service", far, 1)
			s.write(engine, refusal("b.service", laws.Refusal{Generation: 1, Reason: "no machine can take it"}))
		}},
		"a unit is refused though it could run": {"it could be on", func(s *story) {
			s.want("b.service", laws.Wish{}, 1)
			s.write(engine, refusal("b.service", laws.Refusal{Generation: 1, Reason: "no machine can take it"}))
		}},
		"a refusal is old": {"of generation 1, not 2", func(s *story) {
			s.want("b.service", far, 1)
			s.write(engine, refusal("b.service", laws.Refusal{Generation: 1, Reason: "no machine can take it"}))
			s.want("b.service", far, 2)
		}},
		"a refused unit is placed": {"is refused, wanted true, placed on 1", func(s *story) {
			s.write(engine, refusal("a.service", laws.Refusal{Generation: 1, Reason: "no machine can take it"}))
		}},
		"a unit may not stay": {"may not stay", func(s *story) {
			s.want("b.service", laws.Wish{Conflicts: []string{"a.service"}}, 1)
			s.write(engine, placement(2, "b.service", of(laws.Wish{Conflicts: []string{"a.service"}}, 1)))
		}},
		"a global unit is not everywhere": {"is global and not on", func(s *story) {
			s.want("g.service", global, 1)
			s.write(engine, placement(1, "g.service", of(global, 1)))
		}},
		"a unit is on two machines": {"placed on 2 machines", func(s *story) {
			s.write(engine, placement(3, "a.service", of(laws.Wish{}, 1)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin()
			s.write(agentOf(2), state(2, "a.service", "active", 1))
			c.tell(s)
			wrong := fmt.Sprint(s.AtRest())
			if c.says == "" && wrong != "[]" || !strings.Contains(wrong, c.says) {
				t.Errorf("wrong: %s, want %q", wrong, c.says)
			}
		})
	}
}
