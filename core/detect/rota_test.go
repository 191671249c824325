package detect_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/detect"
)

func id(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

func address(n int) string { return fmt.Sprintf("10.0.%d.%d", n/256, n%256) }

func seat(n int, member, probes bool) detect.Seat {
	return detect.Seat{Machine: id(n), Address: address(n), Member: member, Probes: probes}
}

// TestRota: whatever comes and goes, a rota that has lived through it is the same as
// a new one; each machine is probed by three others, or all that there are, one of
// them no member where there is one; and Due's promise holds: who is not named as
// changed has the duties of before.
func TestRota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rota, sits := detect.NewRota(), map[int]detect.Seat{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			n := rapid.IntRange(0, 12).Draw(t, "machine")
			before := duties(rota, sits)
			if rapid.Bool().Draw(t, "sits") {
				sits[n] = seat(n, rapid.Bool().Draw(t, "member"), rapid.Bool().Draw(t, "probes"))
				rota.Sit(sits[n])
			} else {
				delete(sits, n)
				rota.Leave(id(n))
			}
			after := duties(rota, sits)
			changed := rota.TakeChanged()
			for m := range sits {
				if !reflect.DeepEqual(before[id(m)].Targets, after[id(m)].Targets) && !slices.Contains(changed, id(m)) {
					t.Fatalf("%d sits or leaves: %d probes %v instead of %v, and is not named: %v", n, m, after[id(m)], before[id(m)], changed)
				}
			}
		}
		fresh := detect.NewRota()
		for _, n := range slices.Sorted(maps.Keys(sits)) {
			fresh.Sit(sits[n])
		}
		if got, want := duties(rota, sits), duties(fresh, sits); !reflect.DeepEqual(got, want) {
			t.Fatalf("the rota that has lived: %v\na new one: %v", got, want)
		}
		checkRota(t, rota, sits)
	})
}

func duties(r *detect.Rota, sits map[int]detect.Seat) map[cluster.MachineID]cluster.Probes {
	all := map[cluster.MachineID]cluster.Probes{}
	for n := range sits {
		all[id(n)] = r.Probes(id(n))
	}
	return all
}

func checkRota(t interface{ Fatalf(string, ...any) }, r *detect.Rota, sits map[int]detect.Seat) {
	seats, probes := map[cluster.MachineID]detect.Seat{}, 0
	for _, s := range sits {
		seats[s.Machine] = s
		if s.Probes {
			probes++
		}
	}
	has := map[cluster.MachineID][]cluster.MachineID{}
	for _, s := range seats {
		for _, target := range r.Probes(s.Machine).Targets {
			has[target.Machine] = append(has[target.Machine], s.Machine)
			if target.Address != seats[target.Machine].Address || len(target.Others) != len(r.Probers(target.Machine))-1 {
				t.Fatalf("%s probes %+v, of %+v", s.Machine, target, seats[target.Machine])
			}
		}
	}
	for m, s := range seats {
		others, workers := probes, 0
		if s.Probes {
			others--
		}
		for other, o := range seats {
			if other != m && o.Probes && !o.Member {
				workers++
			}
		}
		want := min(3, others)
		probers := r.Probers(m)
		slices.Sort(probers)
		slices.Sort(has[m])
		if len(probers) != want || !slices.Equal(probers, has[m]) || slices.Contains(probers, m) {
			t.Fatalf("%s is to be probed by %v and is by %v, of %d that could", m, probers, has[m], others)
		}
		worker := false
		for _, p := range probers {
			if !seats[p].Probes {
				t.Fatalf("%s, which does not probe, probes %s", p, m)
			}
			worker = worker || !seats[p].Member
		}
		if workers > 0 && !worker {
			t.Fatalf("%s is probed by members alone: %v", m, probers)
		}
	}
}

// TestRotaAtScale: in a large cluster nobody has more than a few to probe, and one
// machine's coming or going changes the duties of few.
func TestRotaAtScale(t *testing.T) {
	const machines = 10_000
	r := detect.NewRota()
	for n := range machines {
		r.Sit(seat(n, n < 5, true))
	}
	r.TakeChanged()
	most := 0
	for n := range machines {
		most = max(most, len(r.Probes(id(n)).Targets))
	}
	if most > 8 {
		t.Errorf("a machine probes %d others", most)
	}
	for n := range 500 {
		r.Leave(id(20 * n))
		if changed := r.TakeChanged(); len(changed) > 9 {
			t.Errorf("one machine leaves, and %d others have other duties", len(changed))
		}
		r.Sit(seat(20*n, 20*n < 5, true))
		if changed := r.TakeChanged(); len(changed) > 9 {
			t.Errorf("one machine comes, and %d others have other duties", len(changed))
		}
	}
}

func BenchmarkRotaOfTenThousand(b *testing.B) {
	r := detect.NewRota()
	for n := range 10_000 {
		r.Sit(seat(n, n < 5, true))
	}
	for b.Loop() {
		r.Leave(id(5000))
		r.Sit(seat(5000, false, true))
		for _, m := range r.TakeChanged() {
			_ = r.Probes(m)
		}
	}
}

// BenchmarkRotaFilled registers ten thousand machines one by one in random order,
// whoever of them can probe.
func BenchmarkRotaFilled(b *testing.B) {
	const machines = 10_000
	order := rand.New(rand.NewPCG(1, 2)).Perm(machines)
	for name, can := range map[string]func(n int) bool{
		"all":     func(int) bool { return true },
		"none":    func(int) bool { return false },
		"one":     func(n int) bool { return n == machines/2 },
		"members": func(n int) bool { return n < 5 },
		"third":   func(n int) bool { return n%3 == 0 },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := detect.NewRota()
				for _, n := range order {
					r.Sit(seat(n, n < 5, can(n)))
				}
			}
		})
	}
}

// BenchmarkRotaFollowed is the same where all can probe and duties are given after each.
func BenchmarkRotaFollowed(b *testing.B) {
	const machines = 10_000
	order := rand.New(rand.NewPCG(1, 2)).Perm(machines)
	for b.Loop() {
		r := detect.NewRota()
		for _, n := range order {
			r.Sit(seat(n, n < 5, true))
			for _, m := range r.TakeChanged() {
				_ = r.Probes(m)
			}
		}
	}
}
