package localnet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults are all that is broken between the machines of one cluster. They are
// laid as a whole (Namespace.Lay), so that what is written here is what holds.
type Faults struct {
	Cuts   []Cut    `json:"cuts,omitempty"`
	Slows  []Slow   `json:"slows,omitempty"`
	Silent []string `json:"silent,omitempty"` // machines from which not even the host hears
}

// Any says whether anything is broken.
func (f Faults) Any() bool { return len(f.Cuts)+len(f.Slows)+len(f.Silent) > 0 }

// Cut drops what machines send one another. The host still reaches them all.
type Cut struct {
	Machine   string    `json:"machine"`
	From      string    `json:"from,omitempty"` // "": from every other machine
	Direction Direction `json:"direction"`
}

// Direction is as seen by the machine that is cut off.
type Direction string

const (
	Both Direction = "both"
	In   Direction = "in"  // it hears nothing; what it sends arrives
	Out  Direction = "out" // it hears everything; what it sends is lost
)

// Slow makes a machine's link worse, both ways. A zero field leaves that be.
type Slow struct {
	Machine string        `json:"machine"`
	Rate    uint64        `json:"rate_bits_per_second,omitempty"`
	Loss    int           `json:"loss_percent,omitempty"` // 0-100, each way
	Delay   time.Duration `json:"delay,omitempty"`        // each way
}

// With is f with one cut more; the same cut of the same machines is replaced.
func (f Faults) With(cut Cut) Faults {
	cuts := slices.DeleteFunc(slices.Clone(f.Cuts), func(c Cut) bool {
		return c.Machine == cut.Machine && c.From == cut.From
	})
	return Faults{Cuts: append(cuts, cut), Slows: f.Slows, Silent: f.Silent}
}

// WithSlow is f with slow in place of what slowed its machine before.
func (f Faults) WithSlow(slow Slow) Faults {
	slows := slices.DeleteFunc(slices.Clone(f.Slows), func(s Slow) bool { return s.Machine == slow.Machine })
	return Faults{Cuts: f.Cuts, Slows: append(slows, slow), Silent: f.Silent}
}

// WithSilence is f with machine silent or not. A paused machine is: its processes
// stand still, but the kernel, which it shares with the host, would answer for it.
func (f Faults) WithSilence(machine string, silent bool) Faults {
	all := slices.DeleteFunc(slices.Clone(f.Silent), func(name string) bool { return name == machine })
	if silent {
		all = append(all, machine)
	}
	return Faults{Cuts: f.Cuts, Slows: f.Slows, Silent: all}
}

// Without is f with no cut or slowness left that concerns machine.
func (f Faults) Without(machine string) Faults {
	return Faults{
		Cuts:  slices.DeleteFunc(slices.Clone(f.Cuts), func(c Cut) bool { return c.Machine == machine || c.From == machine }),
		Slows: slices.DeleteFunc(slices.Clone(f.Slows), func(s Slow) bool { return s.Machine == machine }),

		Silent: f.Silent,
	}
}

// Of describes what is broken for machine, "" if nothing is.
func (f Faults) Of(machine string) string {
	var words []string
	for _, c := range f.Cuts {
		other, mine := c.From, c.Machine == machine
		if c.From == machine {
			other, mine = c.Machine, true
		}
		if !mine {
			continue
		}
		text := "cut off"
		if other != "" {
			text += " from " + other
		}
		switch c.Direction {
		case In:
			text += " (what " + c.Machine + " should hear)"
		case Out:
			text += " (what " + c.Machine + " says)"
		case Both:
		}
		words = append(words, text)
	}
	for _, s := range f.Slows {
		if s.Machine == machine {
			words = append(words, s.String())
		}
	}
	return strings.Join(words, ", ")
}

func (s Slow) String() string {
	var words []string
	if s.Rate > 0 {
		words = append(words, "rate "+strconv.FormatUint(s.Rate, 10)+"bit")
	}
	if s.Loss > 0 {
		words = append(words, "loss "+strconv.Itoa(s.Loss)+"%")
	}
	if s.Delay > 0 {
		words = append(words, "delay "+s.Delay.String())
	}
	return strings.Join(words, ", ")
}

// table is the nftables table that holds every fault of a cluster.
const table = "table bridge argosy"

// script is the input of nft(8) that replaces all drops by those of f, in one
// transaction. The forward hook sees only what goes from one port to another,
// never what the host itself sends or hears; the outer two hooks see all.
func (f Faults) script() string {
	var in, across, out []string
	for _, machine := range f.Silent {
		in = append(in, path(machine, "")+" drop")
		out = append(out, path("", machine)+" drop")
	}
	for _, c := range f.Cuts {
		if c.Direction != In {
			across = append(across, path(c.Machine, c.From)+" drop")
		}
		if c.Direction != Out {
			across = append(across, path(c.From, c.Machine)+" drop")
		}
	}
	for _, s := range f.Slows {
		if s.Loss > 0 {
			lose := fmt.Sprintf(" numgen random mod 100 < %d drop", s.Loss)
			if s.Loss == 100 { // which nft takes for out of range
				lose = " drop"
			}
			across = append(across, path(s.Machine, "")+lose, path("", s.Machine)+lose)
		}
	}
	// Declared first, so that there is always something to delete.
	return table + " {}\ndelete " + table + "\n" + table + " {\n" +
		chain("prerouting", in) + chain("forward", across) + chain("postrouting", out) + "}\n"
}

// chain is a chain of the bridge family at the hook of the same name.
func chain(hook string, rules []string) string {
	text := fmt.Sprintf("\tchain %s {\n\t\ttype filter hook %s priority 0; policy accept;\n", hook, hook)
	for _, rule := range rules {
		text += "\t\t" + rule + "\n"
	}
	return text + "\t}\n"
}

// path matches what goes from one machine to another; "" is any machine.
func path(from, to string) string {
	var match []string
	if from != "" {
		match = append(match, fmt.Sprintf("iifname %q", Port(from)))
	}
	if to != "" {
		match = append(match, fmt.Sprintf("oifname %q", Port(to)))
	}
	return strings.Join(match, " ")
}

// burst is how much may pass at full speed before the rate holds: a tenth of a
// second's worth, and never less than a large packet after segmentation offload.
func (s Slow) burst() uint64 { return max(s.Rate/8/10, 64<<10) }

// discipline is the queueing discipline for tc(8), nil for none.
func (s Slow) discipline() [][]string {
	rate := []string{"tbf", "rate", strconv.FormatUint(s.Rate, 10) + "bit", "burst", strconv.FormatUint(s.burst(), 10), "latency", "400ms"}
	delay := []string{"netem", "delay", strconv.FormatInt(s.Delay.Microseconds(), 10) + "us"}
	switch {
	case s.Rate > 0 && s.Delay > 0:
		return [][]string{append([]string{"root", "handle", "1:"}, delay...), append([]string{"parent", "1:", "handle", "2:"}, rate...)}
	case s.Rate > 0:
		return [][]string{append([]string{"root"}, rate...)}
	case s.Delay > 0:
		return [][]string{append([]string{"root"}, delay...)}
	default:
		return nil
	}
}
