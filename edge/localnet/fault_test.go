package localnet

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScript(t *testing.T) {
	for name, c := range map[string]struct {
		faults Faults
		rules  []string // in any chain, in order
	}{
		"nothing":   {Faults{}, nil},
		"from all":  {Faults{Cuts: []Cut{{"core-01", "", Both}}}, []string{`iifname "vb-core-01" drop`, `oifname "vb-core-01" drop`}},
		"deaf":      {Faults{Cuts: []Cut{{"core-01", "", In}}}, []string{`oifname "vb-core-01" drop`}},
		"mute":      {Faults{Cuts: []Cut{{"core-01", "", Out}}}, []string{`iifname "vb-core-01" drop`}},
		"from one":  {Faults{Cuts: []Cut{{"core-01", "core-02", Both}}}, []string{`iifname "vb-core-01" oifname "vb-core-02" drop`, `iifname "vb-core-02" oifname "vb-core-01" drop`}},
		"deaf once": {Faults{Cuts: []Cut{{"core-01", "core-02", In}}}, []string{`iifname "vb-core-02" oifname "vb-core-01" drop`}},
		"lossy":     {Faults{Slows: []Slow{{Machine: "core-03", Loss: 30}}}, []string{`iifname "vb-core-03" numgen random mod 100 < 30 drop`, `oifname "vb-core-03" numgen random mod 100 < 30 drop`}},
		"all lost":  {Faults{Slows: []Slow{{Machine: "core-03", Loss: 100}}}, []string{`iifname "vb-core-03" drop`, `oifname "vb-core-03" drop`}},
		"only slow": {Faults{Slows: []Slow{{Machine: "core-03", Rate: 1e6}}}, nil},
		"silent":    {Faults{Silent: []string{"core-02"}}, []string{`iifname "vb-core-02" drop`, `oifname "vb-core-02" drop`}},
	} {
		script := c.faults.script()
		var rules []string
		for line := range strings.Lines(script) {
			if line = strings.TrimSpace(line); strings.HasSuffix(line, " drop") {
				rules = append(rules, line)
			}
		}
		if !reflect.DeepEqual(rules, c.rules) {
			t.Errorf("%s: rules\n%s\nexpected\n%s\nin\n%s", name, strings.Join(rules, "\n"), strings.Join(c.rules, "\n"), script)
		}
		if !strings.HasPrefix(script, table+" {}\ndelete "+table+"\n") {
			t.Errorf("%s: it does not begin by removing what was laid before:\n%s", name, script)
		}
	}
}

// Only what is silent is cut off from the host as well.
func TestCutsLeaveTheHostAlone(t *testing.T) {
	script := Faults{Cuts: []Cut{{"core-01", "", Both}}, Slows: []Slow{{Machine: "core-02", Loss: 99}}}.script()
	for _, hook := range []string{"prerouting", "postrouting"} {
		_, rest, _ := strings.Cut(script, "chain "+hook)
		rules, _, _ := strings.Cut(rest, "}")
		if strings.Contains(rules, "drop") {
			t.Errorf("the hook %s, which sees what the host sends and hears, drops:\n%s", hook, script)
		}
	}
}

func TestHealMendsWhatWasBroken(t *testing.T) {
	machines := []string{"core-01", "core-02", "core-03", "core-04"}
	rapid.Check(t, func(t *rapid.T) {
		faults := Faults{}
		for range rapid.IntRange(0, 8).Draw(t, "steps") {
			machine := rapid.SampledFrom(machines).Draw(t, "machine")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				faults = faults.With(Cut{machine, rapid.SampledFrom(append(machines, "")).Draw(t, "from"), Both})
			case 1:
				faults = faults.WithSlow(Slow{Machine: machine, Loss: rapid.IntRange(1, 100).Draw(t, "loss")})
			case 2:
				faults = faults.WithSilence(machine, rapid.Bool().Draw(t, "silent"))
			}
		}
		for _, machine := range machines {
			faults = faults.Without(machine).WithSilence(machine, false)
			if text := faults.Of(machine); text != "" {
				t.Errorf("%s is healed and still %s", machine, text)
			}
			if strings.Contains(faults.script(), Port(machine)) {
				t.Errorf("%s is healed, but a rule names it:\n%s", machine, faults.script())
			}
		}
		if faults.Any() {
			t.Errorf("all is healed, and left are %+v", faults)
		}
	})
}

func TestLaterFaultReplacesTheSame(t *testing.T) {
	faults := Faults{}.With(Cut{"core-01", "", In}).With(Cut{"core-01", "", Out}).
		WithSlow(Slow{Machine: "core-01", Loss: 1}).WithSlow(Slow{Machine: "core-01", Loss: 2}).
		WithSilence("core-01", true).WithSilence("core-01", true)
	if len(faults.Cuts) != 1 || faults.Cuts[0].Direction != Out || len(faults.Slows) != 1 || faults.Slows[0].Loss != 2 || len(faults.Silent) != 1 {
		t.Errorf("%+v", faults)
	}
}

func TestOf(t *testing.T) {
	faults := Faults{
		Cuts:  []Cut{{"core-01", "", Both}, {"core-02", "core-03", In}},
		Slows: []Slow{{Machine: "core-03", Rate: 1_000_000, Loss: 5, Delay: 20 * time.Millisecond}},
	}
	for machine, want := range map[string]string{
		"core-01": "cut off",
		"core-02": "cut off from core-03 (what core-02 should hear)",
		"core-03": "cut off from core-02 (what core-02 should hear), rate 1000000bit, loss 5%, delay 20ms",
		"core-04": "",
	} {
		if got := faults.Of(machine); got != want {
			t.Errorf("%s: %q, expected %q", machine, got, want)
		}
	}
}

func TestDiscipline(t *testing.T) {
	for name, c := range map[string]struct {
		slow Slow
		want string
	}{
		"loss alone":     {Slow{Loss: 10}, ""},
		"rate":           {Slow{Rate: 8_000_000}, "root tbf rate 8000000bit burst 100000 latency 400ms"},
		"a low rate":     {Slow{Rate: 1000}, "root tbf rate 1000bit burst 65536 latency 400ms"},
		"delay":          {Slow{Delay: 50 * time.Millisecond}, "root netem delay 50000us"},
		"rate and delay": {Slow{Rate: 8_000_000, Delay: time.Millisecond}, "root handle 1: netem delay 1000us; parent 1: handle 2: tbf rate 8000000bit burst 100000 latency 400ms"},
	} {
		var words []string
		for _, argv := range c.slow.discipline() {
			words = append(words, strings.Join(argv, " "))
		}
		if got := strings.Join(words, "; "); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

func TestPortFitsTheKernel(t *testing.T) {
	if got := Port("core-01"); got != "vb-core-01" {
		t.Error(got)
	}
	if got := Port("a-very-long-machine-name"); len(got) != 15 {
		t.Errorf("%s has %d characters, a link's name at most 15", got, len(got))
	}
}
