package schedule_test

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// BenchmarkPlace measures decisions in memory: every unit of a new cluster is
// placed, in plans of the size that the engine asks for, each confirmed before
// the next. design.md's budgets are 1M/s plain and 250k/s constrained at
// units=1000000/machines=10000, and 1 kB of memory a unit.
//
// decisions/s counts the time in Plan alone, confirms/s that in learning what
// was written, learns/s that in learning the units at the start.
func BenchmarkPlace(b *testing.B) {
	for _, size := range []struct{ units, machines int }{{10_000, 100}, {100_000, 1_000}, {1_000_000, 10_000}} {
		for _, mix := range []struct {
			name        string
			constrained int // of 100
		}{{"plain", 0}, {"mixed", 20}, {"constrained", 100}} {
			b.Run(fmt.Sprintf("%s/units=%d/machines=%d", mix.name, size.units, size.machines), func(b *testing.B) {
				benchmarkPlace(b, size.units, benchFacts(size.units, size.machines, mix.constrained))
			})
		}
	}
}

// BenchmarkWords is BenchmarkPlace for units that all ask for one of the words that
// choose among machines, in families of five, or all instances of one template.
func BenchmarkWords(b *testing.B) {
	for _, size := range []struct{ units, machines int }{{100_000, 1_000}, {1_000_000, 10_000}} {
		for _, words := range []struct{ name, lines string }{
			{"reserve", "Reserve=memory=640M cpu=0.6"}, {"spread", "Spread=region"}, {"limit", "MaxPerMachine=1"},
			{"prefer", "Prefer=disk=ssd 10 region=r1 5"}, {"one-template", "Spread=region machine\nMaxPerMachine=100"},
		} {
			b.Run(fmt.Sprintf("%s/units=%d/machines=%d", words.name, size.units, size.machines), func(b *testing.B) {
				facts := benchFacts(size.units, size.machines, 0)
				text := fleetText(words.lines)
				for i, fact := range facts {
					switch fact := fact.(type) {
					case cluster.MachineChanged:
						fact.Machine.Capacity = cluster.Capacity{CPUs: 64, MemoryBytes: 64 << 30}
						facts[i] = fact
					case cluster.UnitChanged:
						fact.Unit.Hash = cluster.HashOf(text)
						if words.name == "one-template" {
							fact.Unit.Name = cluster.UnitName(fmt.Sprintf("app@%07d.service", fact.Unit.Revision))
						}
						facts[i] = fact
					}
				}
				benchmarkPlace(b, size.units, append(facts, cluster.ContentChanged{Hash: cluster.HashOf(text), Text: text}))
			})
		}
	}
}

func benchmarkPlace(b *testing.B, units int, facts []cluster.Event) {
	var learning, planning, confirming, thinking time.Duration
	var bytes uint64
	for b.Loop() {
		before := heap()
		p := schedule.New()
		start := time.Now()
		p.Learn(facts...)
		learning += time.Since(start)
		placed := 0
		for revision := int64(len(facts)); ; {
			spent := processorTime(b)
			start = time.Now()
			changes := p.Plan(at, 1024)
			planning += time.Since(start)
			thinking += processorTime(b) - spent
			if len(changes) == 0 {
				break
			}
			news := confirm(b, changes, &revision)
			placed += len(news)
			start = time.Now()
			p.Learn(news...)
			confirming += time.Since(start)
		}
		if placed != units {
			b.Fatalf("%d of %d units were placed", placed, units)
		}
		bytes = heap() - before
		runtime.KeepAlive(p)
	}
	per := func(d time.Duration) float64 { return float64(units) * float64(b.N) / d.Seconds() }
	b.ReportMetric(per(planning), "decisions/s")
	b.ReportMetric(per(thinking), "decisions/cpu-s")
	b.ReportMetric(per(confirming), "confirms/s")
	b.ReportMetric(per(learning), "learns/s")
	b.ReportMetric(float64(bytes)/float64(units), "B/unit")
}

// processorTime is what this process has used, the collector of garbage too. What else
// the machine does changes it less than the time that passes.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// confirm is what the store says of a plan of placements.
func confirm(b *testing.B, changes []schedule.Change, revision *int64) []cluster.Event {
	news := make([]cluster.Event, len(changes))
	for i, change := range changes {
		c, ok := change.(schedule.Place)
		if !ok {
			b.Fatalf("expected placements only, got %#v", change)
		}
		*revision++
		c.Placement.Revision = *revision
		news[i] = cluster.PlacementChanged{Placement: c.Placement}
	}
	return news
}

// benchFacts is a new cluster in the store's key order. A constrained unit is
// one of five instances that keep apart, in one of ten regions, on either disk.
func benchFacts(units, machines, constrained int) []cluster.Event {
	var facts []cluster.Event
	revision := int64(0)
	next := func() int64 { revision++; return revision }
	text := func(text string) cluster.Hash {
		hash := cluster.HashOf(text)
		facts = append(facts, cluster.ContentChanged{Hash: hash, Text: text})
		return hash
	}
	plain := text(fleetText())
	var apart [10]cluster.Hash
	for r := range apart {
		apart[r] = text(fleetText("Conflicts=%p@*.service", fmt.Sprintf("MachineMetadata=region=r%d", r), "MachineMetadata=disk=ssd disk=hdd"))
	}
	for i := range machines {
		facts = append(facts, cluster.MachineChanged{Machine: cluster.Machine{
			ID: cluster.MachineID(fmt.Sprintf("%08x%024x", i, i)), Revision: next(), Name: fmt.Sprintf("core-%d", i),
			Metadata: map[string]string{"region": fmt.Sprintf("r%d", i%10), "disk": []string{"ssd", "hdd"}[i/10%2]},
		}})
	}
	for i := range units {
		u := cluster.Unit{Name: cluster.UnitName(fmt.Sprintf("app-%06d@%d.service", i/5, i%5)), Revision: next(),
			Hash: plain, Desired: cluster.Launched, Generation: 1}
		if family := i / 5; family%100 < constrained {
			u.Hash = apart[family%10]
		}
		facts = append(facts, cluster.UnitChanged{Unit: u})
	}
	return facts
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFailover measures one lost machine of a full cluster: all its units
// are placed elsewhere. The budget for the decision is a small part of failover's.
func BenchmarkFailover(b *testing.B) {
	const units, machines = 100_000, 1_000
	facts := benchFacts(units, machines, 20)
	p := schedule.New()
	p.Learn(facts...)
	revision := int64(len(facts))
	for changes := p.Plan(at, 0); len(changes) > 0; changes = p.Plan(at, 0) {
		p.Learn(confirm(b, changes, &revision)...)
	}
	moved := 0
	i := 0
	for b.Loop() {
		id := cluster.MachineID(fmt.Sprintf("%08x%024x", i%machines, i%machines))
		i++
		p.Learn(cluster.MachineGone{ID: id})
		changes := p.Plan(at, 0)
		moved += len(changes)
		var news []cluster.Event
		for _, change := range changes {
			c := change.(schedule.Place)
			revision++
			c.Placement.Revision = revision
			news = append(news, cluster.PlacementChanged{Placement: c.Placement}, cluster.PlacementGone{Machine: c.From, Unit: c.Placement.Unit})
		}
		revision++
		news = append(news, cluster.MachineChanged{Machine: cluster.Machine{ID: id, Revision: revision, Metadata: map[string]string{
			"region": fmt.Sprintf("r%d", (i-1)%machines%10), "disk": []string{"ssd", "hdd"}[(i-1)%machines/10%2]}}})
		p.Learn(news...)
	}
	b.ReportMetric(float64(moved)/float64(b.N), "moved/op")
}

// BenchmarkAsked measures what a question costs a full cluster's leader, which
// answers between plans: why a unit is where it is, and what a lost machine would
// move.
func BenchmarkAsked(b *testing.B) {
	const units, machines = 100_000, 1_000
	facts := benchFacts(units, machines, 20)
	p := schedule.New()
	p.Learn(facts...)
	revision := int64(len(facts))
	for changes := p.Plan(at, 0); len(changes) > 0; changes = p.Plan(at, 0) {
		p.Learn(confirm(b, changes, &revision)...)
	}
	b.Run("why", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			name := cluster.UnitName(fmt.Sprintf("app-%06d@0.service", i%(units/5)))
			if e, known := p.Why(name); !known || len(e.Machines) != machines {
				b.Fatalf("%s: %d machines are explained, known %v", name, len(e.Machines), known)
			}
		}
	})
	b.Run("what if a machine is lost", func(b *testing.B) {
		for b.Loop() {
			if moved := p.WhatIf(at, cluster.MachineGone{ID: cluster.MachineID(fmt.Sprintf("%08x%024x", 7, 7))}); len(moved) != units/machines {
				b.Fatalf("%d changes", len(moved))
			}
		}
	})
}

// BenchmarkWaiting measures what 100,000 units that no machine can take cost when
// something happens: a machine that joins has all of them looked at again, a
// plain unit that is placed none.
func BenchmarkWaiting(b *testing.B) {
	const waiting, machines = 100_000, 1_000
	facts := benchFacts(0, machines, 0)
	nowhere := fleetText("MachineMetadata=region=mars")
	hash, revision := cluster.HashOf(nowhere), int64(len(facts))
	facts = append(facts, cluster.ContentChanged{Hash: hash, Text: nowhere})
	for i := range waiting {
		revision++
		facts = append(facts, cluster.UnitChanged{Unit: cluster.Unit{Name: cluster.UnitName(fmt.Sprintf("w-%06d.service", i)),
			Revision: revision, Hash: hash, Desired: cluster.Launched, Generation: 1}})
	}
	p := schedule.New()
	p.Learn(facts...)
	refuse := func(b *testing.B) {
		var news []cluster.Event
		for _, change := range p.Plan(at, 0) {
			c, ok := change.(schedule.Refuse)
			if !ok {
				b.Fatalf("expected refusals, got %#v", change)
			}
			revision++
			c.Unplaced.Revision = revision
			news = append(news, cluster.UnplacedChanged{Unplaced: c.Unplaced})
		}
		p.Learn(news...)
		if changes := p.Plan(at, 0); len(changes) > 0 {
			b.Fatalf("more to do: %v", changes[0])
		}
	}
	refuse(b)
	b.Run("a machine joins", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			revision++
			p.Learn(cluster.MachineChanged{Machine: cluster.Machine{ID: cluster.MachineID(fmt.Sprintf("f%031x", revision)), Revision: revision}})
			refuse(b)
		}
	})
	b.Run("a plain unit is placed", func(b *testing.B) {
		plain := benchFacts(0, 0, 0)[0].(cluster.ContentChanged).Hash
		for b.Loop() {
			revision++
			p.Learn(cluster.UnitChanged{Unit: cluster.Unit{Name: cluster.UnitName(fmt.Sprintf("p-%d.service", revision)),
				Revision: revision, Hash: plain, Desired: cluster.Launched, Generation: 1}})
			p.Learn(confirm(b, p.Plan(at, 0), &revision)...)
		}
	})
}

// BenchmarkFirstPlan measures what a standby that has followed everything needs, once
// it leads, to see that nothing is due: after it has read it, and after it was told of
// it one by one.
func BenchmarkFirstPlan(b *testing.B) {
	const units, machines = 1_000_000, 10_000
	facts := benchFacts(units, machines, 20)
	leader := schedule.New()
	leader.Learn(facts...)
	var told []cluster.Event
	revision := int64(len(facts))
	for changes := leader.Plan(at, 0); len(changes) > 0; changes = leader.Plan(at, 0) {
		news := confirm(b, changes, &revision)
		leader.Learn(news...)
		told = append(told, news...)
	}
	news := facts[len(facts)-units:]
	read := slices.Concat(facts[:len(facts)-units], byKey(told), news) // in the order of the store's keys
	standby := func(batches ...[]cluster.Event) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				p := schedule.New()
				for _, batch := range batches {
					p.Learn(batch...)
					p.Observe(at)
				}
				b.StartTimer()
				if changes := p.Plan(at, 1024); len(changes) > 0 {
					b.Fatalf("%d changes", len(changes))
				}
			}
		}
	}
	b.Run("read", standby(read))
	b.Run("told", standby(append([][]cluster.Event{facts}, slices.Collect(slices.Chunk(told, 480))...)...))
}

// byKey puts placements in the order in which the store has them.
func byKey(placements []cluster.Event) []cluster.Event {
	return slices.SortedFunc(slices.Values(placements), func(a, b cluster.Event) int {
		p, q := a.(cluster.PlacementChanged).Placement, b.(cluster.PlacementChanged).Placement
		return cmp.Or(cmp.Compare(p.Machine, q.Machine), cmp.Compare(p.Unit, q.Unit))
	})
}

// BenchmarkJoin measures 1,000 machines that join one by one, in no order, beside
// those that run 100,000 units.
func BenchmarkJoin(b *testing.B) {
	const joining = 1000
	for _, machines := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			facts := benchFacts(100_000, machines, 20)
			for b.Loop() {
				b.StopTimer()
				p := schedule.New()
				p.Learn(facts...)
				revision := int64(len(facts))
				for changes := p.Plan(at, 0); len(changes) > 0; changes = p.Plan(at, 0) {
					p.Learn(confirm(b, changes, &revision)...)
				}
				b.StartTimer()
				for i := range joining {
					revision++
					p.Learn(cluster.MachineChanged{Machine: cluster.Machine{
						ID: cluster.MachineID(fmt.Sprintf("%08xf%023x", i*7919%machines, i)), Revision: revision, Name: fmt.Sprintf("new-%d", i)}})
					if changes := p.Plan(at, 0); len(changes) > 0 {
						b.Fatalf("%d changes", len(changes))
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*joining), "us/join")
		})
	}
}
