package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const second = time.Second

var five = []Machine{{"core-01", true}, {"core-02", true}, {"core-03", true}, {"core-04", false}, {"core-05", false}}

func run(unit, machine string, from, to Time) Run {
	return Run{Unit: unit, Machine: machine, Version: 1, Token: int64(from), Span: Span{from, to}}
}

func fault(kind Kind, machine string, from, to Time) Fault {
	return Fault{Kind: kind, Machine: machine, Span: Span{from, to}}
}

func launch(unit string, at Time) Request {
	return Request{Unit: unit, Wanted: Wanted{"launched", 1}, Span: Span{at, at + second/10}, Outcome: Acknowledged}
}

func units() []Unit {
	return []Unit{
		{Name: "calm.service", Calm: true}, {Name: "once.service", Once: true}, {Name: "each.service", Global: true},
		{Name: "alone.service", Fenced: true}, {Name: "mate.service", MachineOf: "calm.service"},
		{Name: "rival@1.service", Conflicts: "rival@*.service"}, {Name: "rival@2.service"},
		{Name: "few@1.service", MaxPerMachine: 1}, {Name: "few@2.service", MaxPerMachine: 1},
	}
}

// What is allowed, and next to it what is not: each law's plain violation is
// caught, and is none with its reason beside.
func TestLaws(t *testing.T) {
	begun := []Request{launch("calm.service", second)}
	for name, c := range map[string]struct {
		h    History
		want string // "law unit machine" of each violation
	}{
		"it runs on": {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0)}, Requests: begun}, ""},

		"stopped for nothing":               {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Requests: begun}, "1 calm.service core-04"},
		"restarted for nothing":             {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second), run("calm.service", "core-04", 91*second, 0)}, Requests: begun}, "1 calm.service core-04"},
		"stopped with fleetd killed":        {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Faults: []Fault{fault(KillFleet, "core-04", 89*second, 91*second)}}, "1 calm.service core-04"},
		"stopped with fleetd frozen":        {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Faults: []Fault{fault(FreezeFleet, "core-04", 60*second, 91*second)}}, "1 calm.service core-04"},
		"stopped with etcd killed":          {History{Runs: []Run{run("calm.service", "core-01", 1*second, 90*second)}, Faults: []Fault{fault(KillEtcd, "core-01", 89*second, 91*second)}}, "1 calm.service core-01"},
		"stopped, another machine was lost": {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Faults: []Fault{fault(Kill, "core-05", 80*second, 91*second)}}, "1 calm.service core-04"},
		"stopped long after it was lost":    {History{Runs: []Run{run("calm.service", "core-04", 1*second, 190*second)}, Faults: []Fault{fault(Pause, "core-04", 80*second, 91*second)}}, "1 calm.service core-04"},
		"stopped, back from a partition":    {History{Runs: []Run{run("calm.service", "core-04", 1*second, 95*second)}, Faults: []Fault{fault(Partition, "core-04", 80*second, 91*second)}}, ""},
		"stopped as was asked":              {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Requests: append(begun, launch("calm.service", 89*second))}, ""},
		"stopped as was asked, by a hair":   {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Requests: append(begun, launch("calm.service", 90*second+second/200))}, ""},
		"stopped before it was asked":       {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Requests: append(begun, launch("calm.service", 91*second))}, "1 calm.service core-04"},
		"stopped as another was asked":      {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second)}, Requests: append(begun, launch("once.service", 89*second))}, "1 calm.service core-04"},
		"a refused request changes nothing": {History{Runs: []Run{run("calm.service", "core-04", 30*second, 90*second)}, Requests: []Request{{Unit: "calm.service", Span: Span{89 * second, 89 * second}, Outcome: Refused}}}, "1 calm.service core-04"},
		"ended with its machine":            {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second), run("calm.service", "core-05", 93*second, 0)}, Faults: []Fault{fault(Kill, "core-04", 90*second, 110*second)}}, ""},
		"a fence that fell":                 {History{Runs: []Run{run("alone.service", "core-04", 1*second, 90*second)}, Faults: []Fault{fault(FreezeFleet, "core-04", 60*second, 91*second)}}, ""},
		"a fence that had no reason":        {History{Runs: []Run{run("alone.service", "core-04", 1*second, 90*second)}, Faults: []Fault{fault(FreezeFleet, "core-05", 60*second, 91*second)}}, "1 alone.service core-04"},
		"done, and started again":           {History{Runs: []Run{run("once.service", "core-04", 1*second, 2*second), run("once.service", "core-04", 50*second, 51*second)}}, "1 once.service core-04"},
		"done, asked for, started again":    {History{Runs: []Run{run("once.service", "core-04", 1*second, 2*second), run("once.service", "core-04", 50*second, 51*second)}, Requests: []Request{launch("once.service", 49*second)}}, ""},
		"global, stopped for nothing":       {History{Runs: []Run{run("each.service", "core-04", 1*second, 90*second), run("each.service", "core-05", 1*second, 0)}}, "1 each.service core-04"},

		"twice at once":                        {History{Runs: []Run{run("alone.service", "core-04", 30*second, 0), run("alone.service", "core-05", 50*second, 0)}, Faults: []Fault{fault(Partition, "core-04", 40*second, 0)}}, "2 alone.service core-05"},
		"twice at once, unfenced":              {History{Runs: []Run{run("calm.service", "core-04", 30*second, 0), run("calm.service", "core-05", 50*second, 0)}, Faults: []Fault{fault(Partition, "core-04", 40*second, 0)}}, ""},
		"twice while one kernel stands":        {History{Runs: []Run{run("alone.service", "core-04", 30*second, 92*second), run("alone.service", "core-05", 80*second, 0)}, Faults: []Fault{fault(Pause, "core-04", 40*second, 90*second)}}, ""},
		"twice long after the kernel goes on":  {History{Runs: []Run{run("alone.service", "core-04", 30*second, 112*second), run("alone.service", "core-05", 80*second, 0)}, Faults: []Fault{fault(Pause, "core-04", 40*second, 90*second)}}, "2 alone.service core-05,6 alone.service core-04"},
		"twice, asked for or not":              {History{Runs: []Run{run("alone.service", "core-04", 30*second, 52*second), run("alone.service", "core-05", 51*second, 0)}, Requests: []Request{launch("alone.service", 50*second)}}, "2 alone.service core-05"},
		"one after the other, fenced":          {History{Runs: []Run{run("alone.service", "core-04", 30*second, 50*second), run("alone.service", "core-05", 81*second, 0)}, Faults: []Fault{fault(Partition, "core-04", 40*second, 100*second)}}, ""},
		"a token that does not grow":           {History{Runs: []Run{run("alone.service", "core-04", 30*second, 50*second), {"alone.service", "core-05", 1, 7, Span{81 * second, 0}}}, Faults: []Fault{fault(Partition, "core-04", 40*second, 100*second)}}, "2 alone.service core-05"},
		"rivals together":                      {History{Runs: []Run{run("rival@1.service", "core-04", 1*second, 0), run("rival@2.service", "core-04", 9*second, 0)}}, "5 rival@2.service core-04"},
		"rivals apart":                         {History{Runs: []Run{run("rival@1.service", "core-04", 1*second, 0), run("rival@2.service", "core-05", 9*second, 0)}}, ""},
		"rivals one after the other":           {History{Runs: []Run{run("rival@1.service", "core-04", 1*second, 9*second), run("rival@2.service", "core-04", 9*second, 0)}, Requests: []Request{launch("rival@1.service", 8*second)}}, ""},
		"rivals, one brought back":             {History{Runs: []Run{run("rival@1.service", "core-04", 1*second, 32*second), run("rival@2.service", "core-04", 31*second, 0)}, Faults: []Fault{fault(Partition, "core-04", 10*second, 30*second)}}, ""},
		"one too many":                         {History{Runs: []Run{run("few@1.service", "core-04", 1*second, 0), run("few@2.service", "core-04", 9*second, 0)}}, "5 few@2.service core-04"},
		"as many as may be":                    {History{Runs: []Run{run("few@1.service", "core-04", 1*second, 0), run("few@2.service", "core-05", 9*second, 0)}}, ""},
		"moved for nothing":                    {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second), run("calm.service", "core-05", 91*second, 0)}}, "6 calm.service core-04"},
		"started elsewhere for nothing":        {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("calm.service", "core-05", 91*second, 0)}}, "6 calm.service core-05"},
		"started elsewhere, fleetd was frozen": {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("calm.service", "core-05", 91*second, 0)}, Faults: []Fault{fault(FreezeFleet, "core-04", 70*second, 100*second)}}, "6 calm.service core-05"},
		"started elsewhere, cut from one":      {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("calm.service", "core-05", 91*second, 0)}, Faults: []Fault{{Kind: Pair, Machine: "core-04", Other: "core-01", Span: Span{70 * second, 100 * second}}}}, "6 calm.service core-05"},
		"started elsewhere, cut from two":      {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("calm.service", "core-05", 91*second, 0)}, Faults: []Fault{{Kind: Pair, Machine: "core-04", Other: "core-01", Span: Span{70 * second, 100 * second}}, {Kind: Pair, Machine: "core-02", Other: "core-04", Span: Span{80 * second, 100 * second}}}}, ""},
		"the copy that was not kept":           {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("calm.service", "core-05", 91*second, 105*second)}, Faults: []Fault{fault(Deaf, "core-04", 70*second, 100*second)}}, ""},
		"followed":                             {History{Runs: []Run{run("calm.service", "core-04", 1*second, 90*second), run("mate.service", "core-04", 2*second, 92*second), run("calm.service", "core-05", 91*second, 0), run("mate.service", "core-05", 93*second, 0)}, Requests: []Request{launch("calm.service", 89*second)}}, ""},
		"followed nobody":                      {History{Runs: []Run{run("calm.service", "core-04", 1*second, 0), run("mate.service", "core-04", 2*second, 92*second), run("mate.service", "core-05", 93*second, 0)}}, "6 mate.service core-04"},
	} {
		c.h.Machines, c.h.Units = five, units()
		var got []string
		for _, v := range Check(&c.h, 200*second) {
			got = append(got, fmt.Sprintf("%d %s %s", v.Law, v.Unit, v.Machine))
		}
		if !slices.Equal(got, strings.FieldsFunc(c.want, func(r rune) bool { return r == ',' })) {
			t.Errorf("%s: found %q, expected %q", name, got, c.want)
		}
	}
}

// Without a majority nothing can be settled: what a lost machine's return brings
// about may come as much later.
func TestSettlingWaitsForAMajority(t *testing.T) {
	h := History{Machines: five, Units: units(), Runs: []Run{run("calm.service", "core-04", 1*second, 110*second)},
		Faults: []Fault{fault(Pause, "core-04", 40*second, 60*second)}}
	if found := Check(&h, 200*second); len(found) != 1 {
		t.Fatalf("with a majority all the time: %+v, expected one violation", found)
	}
	h.Faults = append(h.Faults, fault(Kill, "core-01", 62*second, 110*second), fault(FreezeEtcd, "core-02", 70*second, 100*second))
	if found := Check(&h, 200*second); len(found) != 0 {
		t.Errorf("without a majority from 70 s to 100 s: %+v, expected none", found)
	}
}

func TestAcknowledged(t *testing.T) {
	asked := func(outcome Outcome, w Wanted) Request {
		return Request{Unit: "calm.service", Wanted: w, Outcome: outcome}
	}
	one, two, gone := Wanted{"launched", 1}, Wanted{"inactive", 2}, Wanted{}
	for name, c := range map[string]struct {
		requests []Request
		shown    Wanted
		broken   bool
	}{
		"nothing asked":             {nil, gone, false},
		"it came of itself":         {nil, one, true},
		"as acknowledged":           {[]Request{asked(Acknowledged, one)}, one, false},
		"forgotten":                 {[]Request{asked(Acknowledged, one)}, gone, true},
		"an older one":              {[]Request{asked(Acknowledged, one), asked(Acknowledged, two)}, one, true},
		"destroyed":                 {[]Request{asked(Acknowledged, one), asked(Acknowledged, gone)}, gone, false},
		"destroyed, and back again": {[]Request{asked(Acknowledged, one), asked(Acknowledged, gone)}, one, true},
		"unanswered, done":          {[]Request{asked(Acknowledged, one), asked(Unknown, two)}, two, false},
		"unanswered, not done":      {[]Request{asked(Acknowledged, one), asked(Unknown, two)}, one, false},
		"unanswered, something":     {[]Request{asked(Acknowledged, one), asked(Unknown, two)}, gone, true},
		"unanswered, done late":     {[]Request{asked(Unknown, two), asked(Acknowledged, one)}, two, false},
		"refused and done":          {[]Request{asked(Acknowledged, one), asked(Refused, two)}, two, true},
	} {
		h := History{Machines: five, Units: []Unit{{Name: "calm.service"}}, Requests: c.requests}
		if found := h.Acknowledged(map[string]Shown{"calm.service": {Wanted: c.shown}}, 0); (len(found) == 1) != c.broken {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestConverged(t *testing.T) {
	on := func(desired string, version int, machines ...string) Shown {
		return Shown{Wanted{desired, version}, machines}
	}
	for name, c := range map[string]struct {
		runs  []Run
		shown map[string]Shown
		want  string // part of what is not so
	}{
		"all is well":           {[]Run{run("calm.service", "core-04", 1, 0)}, map[string]Shown{"calm.service": on("launched", 1, "core-04")}, ""},
		"it runs nowhere":       {[]Run{run("calm.service", "core-04", 1, 2)}, map[string]Shown{"calm.service": on("launched", 1, "core-04")}, "runs on []"},
		"it is placed nowhere":  {nil, map[string]Shown{"calm.service": on("launched", 1)}, "expected on 1"},
		"it runs twice":         {[]Run{run("calm.service", "core-04", 1, 0), run("calm.service", "core-05", 1, 0)}, map[string]Shown{"calm.service": on("launched", 1, "core-05")}, "runs on [core-04 core-05]"},
		"it runs elsewhere":     {[]Run{run("calm.service", "core-04", 1, 0)}, map[string]Shown{"calm.service": on("launched", 1, "core-05")}, "placed on [core-05]"},
		"an old version":        {[]Run{run("calm.service", "core-04", 1, 0)}, map[string]Shown{"calm.service": on("launched", 2, "core-04")}, "in version 1"},
		"it should not run":     {[]Run{run("calm.service", "core-04", 1, 0)}, map[string]Shown{"calm.service": on("inactive", 1)}, "is inactive"},
		"it is destroyed":       {[]Run{run("calm.service", "core-04", 1, 0)}, nil, "and is destroyed"},
		"done":                  {[]Run{run("once.service", "core-04", 1, 2)}, map[string]Shown{"once.service": on("launched", 1, "core-04")}, ""},
		"never done":            {nil, map[string]Shown{"once.service": on("launched", 1, "core-04")}, "has run: false"},
		"not on every machine":  {[]Run{run("each.service", "core-04", 1, 0)}, map[string]Shown{"each.service": on("launched", 1, "core-04")}, "expected on 5"},
		"without its mate":      {nil, map[string]Shown{"calm.service": on("inactive", 1, "core-01"), "mate.service": on("loaded", 1, "core-04")}, "and calm.service is not"},
		"beside its rival":      {nil, map[string]Shown{"rival@1.service": on("loaded", 1, "core-04"), "rival@2.service": on("loaded", 1, "core-04")}, "together"},
		"too many of one":       {nil, map[string]Shown{"few@1.service": on("loaded", 1, "core-04"), "few@2.service": on("loaded", 1, "core-04")}, "one of 2 of its template"},
		"each on a machine":     {nil, map[string]Shown{"few@1.service": on("loaded", 1, "core-04"), "few@2.service": on("loaded", 1, "core-05")}, ""},
		"mates on one machine":  {nil, map[string]Shown{"calm.service": on("loaded", 1, "core-04"), "mate.service": on("loaded", 1, "core-04")}, ""},
		"a mate of none placed": {nil, map[string]Shown{"mate.service": on("loaded", 1, "core-04")}, ""},
	} {
		h := History{Machines: five, Units: units(), Runs: c.runs}
		var says []string
		for _, v := range h.Converged(c.shown, 0) {
			says = append(says, v.String())
		}
		not := strings.Join(says, "; ")
		if (c.want == "") != (not == "") || !strings.Contains(not, c.want) {
			t.Errorf("%s: %q, expected %q in it", name, not, c.want)
		}
	}
}
