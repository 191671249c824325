package api

import (
	"testing"

	"argosy/core/cluster"
)

const (
	one cluster.MachineID = "148a18ff6e954cd892dac9de9bb90d5a"
	two cluster.MachineID = "491586a65ba24f1d9fb50b6ce8edbd7f"
)

// on makes a presence of generation placed (0: none) and seen (0: none).
func on(id cluster.MachineID, placed, seen int64, active, sub, result string) Presence {
	p := Presence{Machine: id, Name: map[cluster.MachineID]string{one: "core-01", two: "core-02"}[id]}
	if placed > 0 {
		p.Placed = &cluster.Placement{Machine: id, Generation: placed, Desired: cluster.Launched}
	}
	if seen > 0 {
		p.State = &cluster.UnitState{
			Machine: id, Generation: seen, Load: "loaded", Active: active, Sub: sub, Result: result, Phase: cluster.Settled,
		}
	}
	return p
}

func alter(p Presence, change func(*cluster.UnitState)) Presence {
	change(p.State)
	return p
}

func TestJudge(t *testing.T) {
	launched := &cluster.Unit{Desired: cluster.Launched, Generation: 7}
	loaded := &cluster.Unit{Desired: cluster.Loaded, Generation: 7}
	inactive := &cluster.Unit{Desired: cluster.Inactive, Generation: 7}
	refusal := func(generation int64) *cluster.Unplaced {
		return &cluster.Unplaced{Generation: generation, Reason: "no machine is up"}
	}
	running := on(one, 7, 7, "active", "running", "success")
	for name, c := range map[string]struct {
		s      situation
		want   Outcome
		reason string
	}{
		"just written":                 {situation{unit: launched}, OutcomeWorking, "waiting for a machine to be chosen"},
		"placed of old":                {situation{unit: launched, on: []Presence{on(one, 6, 6, "active", "running", "")}}, OutcomeWorking, "waiting for the order to reach core-01"},
		"placed now":                   {situation{unit: launched, on: []Presence{on(one, 7, 0, "", "", "")}}, OutcomeWorking, "waiting for core-01"},
		"seen of old":                  {situation{unit: launched, on: []Presence{on(one, 7, 6, "failed", "failed", "exit-code")}}, OutcomeWorking, "waiting for core-01"},
		"seen of a machine that left":  {situation{unit: launched, on: []Presence{on(one, 0, 7, "active", "running", "")}}, OutcomeWorking, "waiting for core-01 to let go of it"},
		"job under way":                {situation{unit: launched, on: []Presence{alter(on(one, 7, 7, "activating", "start-pre", ""), func(s *cluster.UnitState) { s.Phase = cluster.Working })}}, OutcomeWorking, "on core-01: activating (start-pre)"},
		"active":                       {situation{unit: launched, on: []Presence{running}}, OutcomeActive, ""},
		"reloading":                    {situation{unit: launched, on: []Presence{on(one, 7, 7, "reloading", "reload", "")}}, OutcomeActive, ""},
		"ended well":                   {situation{unit: launched, on: []Presence{on(one, 7, 7, "inactive", "dead", "success")}}, OutcomeDone, "on core-01: inactive (dead)"},
		"ended, no result (a target)":  {situation{unit: launched, on: []Presence{on(one, 7, 7, "inactive", "dead", "")}}, OutcomeDone, "on core-01: inactive (dead)"},
		"inactive after a bad end":     {situation{unit: launched, on: []Presence{on(one, 7, 7, "inactive", "dead", "start-limit-hit")}}, OutcomeFailed, "on core-01: inactive (dead), start-limit-hit"},
		"failed":                       {situation{unit: launched, on: []Presence{on(one, 7, 7, "failed", "failed", "exit-code")}}, OutcomeFailed, "on core-01: failed (failed), exit-code"},
		"systemd restarts it":          {situation{unit: launched, on: []Presence{on(one, 7, 7, "activating", "auto-restart", "exit-code")}}, OutcomeFailed, "on core-01: activating (auto-restart), exit-code"},
		"on its way down":              {situation{unit: launched, on: []Presence{on(one, 7, 7, "deactivating", "stop", "success")}}, OutcomeWorking, "on core-01: deactivating (stop)"},
		"a state of a later systemd":   {situation{unit: launched, on: []Presence{on(one, 7, 7, "pondering", "hm", "")}}, OutcomeFailed, "on core-01: pondering (hm)"},
		"masked":                       {situation{unit: launched, on: []Presence{alter(on(one, 7, 7, "inactive", "dead", ""), func(s *cluster.UnitState) { s.Load = "masked" })}}, OutcomeFailed, "on core-01: systemd says the unit's file is masked"},
		"agent could not":              {situation{unit: launched, on: []Presence{alter(on(one, 7, 7, "inactive", "dead", ""), func(s *cluster.UnitState) { s.Problem = "disk is full" })}}, OutcomeFailed, "on core-01: disk is full"},
		"the old text still runs":      {situation{unit: launched, on: []Presence{alter(on(one, 7, 7, "active", "running", ""), func(s *cluster.UnitState) { s.Problem = "disk is full" })}}, OutcomeFailed, "on core-01: disk is full"},
		"machine without a name":       {situation{unit: launched, on: []Presence{{Machine: one, Placed: running.Placed}}}, OutcomeWorking, "waiting for 148a18ff..."},
		"refused":                      {situation{unit: launched, unplaced: refusal(7)}, OutcomeUnplaced, "no machine is up"},
		"refused of old":               {situation{unit: launched, unplaced: refusal(6)}, OutcomeWorking, "waiting for a machine to be chosen"},
		"refused, then placed":         {situation{unit: launched, unplaced: refusal(7), on: []Presence{running}}, OutcomeActive, ""},
		"everywhere":                   {situation{unit: launched, on: []Presence{running, on(two, 7, 7, "active", "running", "")}}, OutcomeActive, ""},
		"everywhere but one":           {situation{unit: launched, on: []Presence{running, on(two, 7, 0, "", "", "")}}, OutcomeWorking, "waiting for core-02"},
		"everywhere, failed on one":    {situation{unit: launched, on: []Presence{on(one, 7, 0, "", "", ""), on(two, 7, 7, "failed", "failed", "signal")}}, OutcomeFailed, "on core-02: failed (failed), signal"},
		"everywhere, ended on one":     {situation{unit: launched, on: []Presence{on(one, 7, 7, "inactive", "dead", ""), on(two, 7, 7, "active", "running", "")}}, OutcomeActive, ""},
		"loaded":                       {situation{unit: loaded, on: []Presence{on(one, 7, 7, "inactive", "dead", "")}}, OutcomeLoaded, ""},
		"loaded after a failure":       {situation{unit: loaded, on: []Presence{on(one, 7, 7, "failed", "failed", "signal")}}, OutcomeLoaded, ""},
		"loaded, refused":              {situation{unit: loaded, unplaced: refusal(7)}, OutcomeUnplaced, "no machine is up"},
		"inactive":                     {situation{unit: inactive}, OutcomeInactive, ""},
		"inactive, still placed":       {situation{unit: inactive, on: []Presence{on(one, 6, 6, "active", "running", "")}}, OutcomeWorking, "waiting for core-01 to let go of it"},
		"inactive, still seen":         {situation{unit: inactive, on: []Presence{on(one, 0, 6, "deactivating", "stop", "")}}, OutcomeWorking, "waiting for core-01 to let go of it"},
		"inactive, and it will not go": {situation{unit: inactive, on: []Presence{alter(on(one, 0, 6, "active", "running", ""), func(s *cluster.UnitState) { s.Generation, s.Problem = 0, "stop timed out" })}}, OutcomeFailed, "on core-01: stop timed out"},
		"gone, with an old problem":    {situation{unit: inactive, on: []Presence{alter(on(one, 0, 6, "active", "running", ""), func(s *cluster.UnitState) { s.Problem = "no such user" })}}, OutcomeWorking, "waiting for core-01 to let go of it"},
		"gone":                         {situation{}, OutcomeGone, ""},
		"destroyed, still placed":      {situation{on: []Presence{on(one, 6, 6, "active", "running", "")}}, OutcomeWorking, "waiting for core-01 to let go of it"},
	} {
		if got, reason := judge(c.s); got != c.want || reason != c.reason {
			t.Errorf("%s: %s, %q; want %s, %q", name, got, reason, c.want, c.reason)
		}
	}
}

func TestCurrent(t *testing.T) {
	placedLoaded := on(one, 7, 7, "inactive", "dead", "")
	placedLoaded.Placed = &cluster.Placement{Generation: 7, Desired: cluster.Loaded}
	for name, c := range map[string]struct {
		on   []Presence
		want cluster.Desired
	}{
		"nowhere":           {nil, cluster.Inactive},
		"placed, not seen":  {[]Presence{on(one, 7, 0, "", "", "")}, cluster.Inactive},
		"launched":          {[]Presence{on(one, 7, 7, "active", "running", "")}, cluster.Launched},
		"launched and done": {[]Presence{on(one, 7, 7, "inactive", "dead", "")}, cluster.Launched},
		"loaded":            {[]Presence{placedLoaded}, cluster.Loaded},
		"of old, runs":      {[]Presence{on(one, 8, 7, "active", "running", "")}, cluster.Launched},
		"of old, does not":  {[]Presence{on(one, 8, 7, "inactive", "dead", "")}, cluster.Loaded},
	} {
		if got := current(situation{on: c.on}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCulprit(t *testing.T) {
	unit := Unit{Desired: cluster.Launched, Generation: 7, Outcome: OutcomeFailed, On: []Presence{
		on(one, 7, 7, "active", "running", ""), on(two, 7, 7, "failed", "failed", "signal"),
	}}
	if got := unit.Culprit(); got != two {
		t.Errorf("%s, want the machine where it failed", got)
	}
	unit.Outcome = OutcomeUnplaced
	if got := unit.Culprit(); got != "" {
		t.Errorf("%s, though no machine has refused it", got)
	}
}
