//go:build machines

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	roundLength = 60 * time.Second // of faults; then they stop
	converging  = 90 * time.Second // what the cluster may then take
	silence     = 8 * time.Second  // of the store, when all is done
	listening   = 45 * time.Second // for that silence
)

// TestChaos breaks real machines at random, round after round, until MINUTES are
// over (two unless said), under a load of units; in each the faults then stop,
// all must converge and fall silent, and what really ran must have kept the laws.
// SEED draws other rounds than those that all know, or repeats some.
func TestChaos(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = 20
	}
	minutes, err := strconv.Atoi(os.Getenv("MINUTES"))
	if err != nil {
		minutes = 2
	}
	m := up(t)
	deadline := time.Now().Add(time.Duration(minutes) * time.Minute)
	for first := true; !t.Failed() && (first || time.Now().Before(deadline)); first = false {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) { m.round(t, seed) })
		seed++
	}
}

// round is one history from its first request to silence.
func (m *machines) round(t *testing.T, seed uint64) {
	prefix := fmt.Sprintf("r%d", seed)
	h := &History{Machines: m.all, Units: Units(prefix), Faults: Draw(seed, m.all, roundLength), From: now()}
	fail := func(what string, found ...Violation) {
		t.Helper()
		t.Fatalf("seed %d: %s\n%s", seed, what, m.story(context.WithoutCancel(t.Context()), h, found))
	}
	if err := m.play(t.Context(), h, seed); err != nil {
		fail(err.Error())
	}
	shown, not, err := m.converge(t.Context(), h)
	if err != nil {
		fail(err.Error())
	}
	if len(not) > 0 {
		fail(fmt.Sprintf("not converged %s after the faults", converging), not...)
	}
	end := now()
	if found := append(Check(h, end), h.Acknowledged(shown, end)...); len(found) > 0 {
		fail("laws were broken", found...)
	}
	if err := m.silent(t.Context()); err != nil {
		fail(err.Error())
	}
	t.Logf("%d faults, %d requests, %d processes of %d units; converged %s after the last fault was mended",
		len(h.Faults), len(h.Requests), len(h.Runs), len(h.Units), (end - lastMended(h)).Round(time.Second))
	m.clear(t, h)
}

func lastMended(h *History) (last Time) {
	for _, f := range h.Faults {
		last = max(last, f.To-settling)
	}
	return last
}

// play breaks and mends, and asks for units all the while.
func (m *machines) play(ctx context.Context, h *History, seed uint64) error {
	down := &standing{machines: map[string]bool{}}
	load := NewLoad(seed, h.Units)
	for !load.Begun() {
		h.Requests = append(h.Requests, m.ask(ctx, load.Next(), h, down, nil))
	}
	began := now()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.breakAndMend(ctx, h.Faults, began, down) })
	group.Go(func() error {
		pace := rand.New(rand.NewPCG(seed, 0xace))
		for now()-began < roundLength {
			h.Requests = append(h.Requests, m.ask(ctx, load.Next(), h, down, pace))
			if err := await(ctx, now()+between(pace, 200*time.Millisecond, 900*time.Millisecond)); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// standing are the machines that stand still.
type standing struct {
	sync.Mutex
	machines map[string]bool
}

func (s *standing) set(machine string, still bool) {
	s.Lock()
	defer s.Unlock()
	s.machines[machine] = still
}

func (s *standing) still(machine string) bool {
	s.Lock()
	defer s.Unlock()
	return s.machines[machine]
}

// ask sends a request to some machine: mostly one that can answer.
func (m *machines) ask(ctx context.Context, q Request, h *History, down *standing, pace *rand.Rand) Request {
	machine := m.all[0].Name
	if pace != nil {
		for range 20 {
			machine = m.all[pace.IntN(len(m.all))].Name
			if _, err := m.Root(machine); err == nil && (!down.still(machine) || pace.IntN(20) == 0) {
				break
			}
		}
	}
	q.From = now()
	outcome, err := m.send(ctx, machine, h.unit(q.Unit), q.Wanted)
	q.To, q.Outcome = now(), outcome
	if err != nil {
		q.Says = machine + ": " + err.Error()
	}
	return q
}

// breakAndMend does each fault when its time has come, and mends it when that is
// over. What takes longer than drawn delays what follows.
func (m *machines) breakAndMend(ctx context.Context, faults []Fault, began Time, down *standing) error {
	type act struct {
		after time.Duration
		mend  bool
		fault *Fault
	}
	var acts []act
	for i := range faults {
		f := &faults[i]
		acts = append(acts, act{f.After, false, f}, act{f.After + f.For, true, f})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.after - b.after) })
	for _, a := range acts {
		if err := await(ctx, began+a.after); err != nil {
			return err
		}
		f := a.fault
		if !a.mend {
			f.From = now()
			down.set(f.Machine, f.Kind == Pause || f.Kind == FreezeFleet)
			if err := m.begin(ctx, *f); err != nil {
				f.Says = err.Error()
			}
			continue
		}
		err := m.mend(ctx, *f)
		down.set(f.Machine, false)
		f.To = now() + settling
		// A daemon that its machine took along needs no mending.
		if err != nil && f.Kind.class() != "daemon" {
			return fmt.Errorf("mend %s: %w", f, err)
		}
	}
	return nil
}

// await waits until a time has come.
func await(ctx context.Context, t Time) error {
	select {
	case <-time.After(t - now()):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// converge waits until all is as it should be, and returns what is shown then, or
// after converging what is not as it should be.
func (m *machines) converge(ctx context.Context, h *History) (shown map[string]Shown, not []Violation, err error) {
	for deadline := now() + converging; ; {
		if shown, err = m.shown(ctx, m.all[0].Name, h.Units); err == nil {
			if h.Runs, err = m.runs(ctx, h); err == nil {
				not = h.Converged(shown, now())
			}
		}
		if err == nil && len(not) == 0 {
			return shown, nil, nil
		}
		if now() > deadline {
			return nil, not, err
		}
		if err := await(ctx, now()+2*time.Second); err != nil {
			return nil, nil, err
		}
	}
}

// silent waits until nothing is written to the store for a while.
func (m *machines) silent(ctx context.Context) error {
	deadline := now() + listening
	for {
		const pki = "/etc/argosy/pki/" // of a member, who may see everything
		watch := []string{"timeout", strconv.Itoa(int(silence.Seconds())), "etcdctl", "--endpoints=https://" + m.all[0].Name + ":2379",
			"--cacert=" + pki + "ca.crt", "--cert=" + pki + "machine.crt", "--key=" + pki + "machine.key", "watch", "--prefix", "/argosy/v1/"}
		out, code, err := m.Run(ctx, m.all[0].Name, watch...)
		if err != nil {
			return err
		}
		if code == 124 && len(out) == 0 {
			return nil
		}
		if now() > deadline {
			return fmt.Errorf("nothing happens, and the store is written to (exit code %d):\n%s", code, out)
		}
	}
}

// clear destroys a round's units, so that the next begins with none. A request
// that a busy host leaves without an answer is told and asked again.
func (m *machines) clear(t *testing.T, h *History) {
	t.Helper()
	deadline := now() + converging
	for _, u := range h.Units {
		for {
			outcome, err := m.send(t.Context(), m.all[0].Name, u, Wanted{})
			if outcome == Acknowledged {
				break
			}
			at := Violation{Unit: u.Name, Machine: m.all[0].Name, At: now(), Says: fmt.Sprintf("is not destroyed: %v", err)}
			if t.Log(at); now() > deadline {
				t.Fatal(m.story(t.Context(), h, []Violation{at}))
			}
		}
	}
	if _, not, err := m.converge(t.Context(), h); err != nil || len(not) > 0 {
		t.Fatalf("all units are destroyed: %v %v", not, err)
	}
}
