package detector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/edge/memstore"
	"argosy/role/detector"
	"argosy/role/runtime"
)

func id(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

func address(n int) string { return fmt.Sprintf("10.0.0.%d", n) }

// network is the echoes of a network in memory, where some machines are dead.
type network struct {
	mu      sync.Mutex
	dead    map[string]bool
	broken  error
	sent    []string
	answers chan string
}

func (n *network) Send(address string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, address)
	if n.dead[address] {
		return errors.New("no route to host")
	}
	n.answers <- address
	return nil
}

func (n *network) Follow(ctx context.Context, heard func(string)) error {
	if n.broken != nil {
		return n.broken
	}
	for {
		select {
		case address := <-n.answers:
			heard(address)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *network) kill(numbers ...int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.dead)
	for _, machine := range numbers {
		n.dead[address(machine)] = true
	}
}

// world is one detector, on machine 1, in a bubble.
type world struct {
	*testing.T
	*network
	store *memstore.Store
	term  cluster.Leader
	lease int64
	mu    sync.Mutex
}

func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: memstore.New(), network: &network{dead: map[string]bool{}, answers: make(chan string, 100)}}
		w.grant()
		var err error
		if w.term, err = w.store.TakeLead(t.Context(), cluster.Leader{Machine: id(9)}); err != nil {
			t.Fatal(err)
		}
		d := detector.New(detector.Config{
			Machine: id(1), Runtime: runtime.Real(), Store: w.store, Echoes: w.network, Log: slog.New(slog.DiscardHandler),
			Lease: func() int64 {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.lease
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- d.Run(ctx) }()
		go func() {
			_ = w.store.Follow(ctx, cluster.Assigned(id(1)), func(b cluster.Batch) error { d.Learn(b); return nil })
			ended <- nil
		}()
		test(w)
		stop()
		for range 2 {
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the detector ended with %v", err)
			}
		}
	})
}

func (w *world) grant() {
	w.Helper()
	lease, err := w.store.GrantLease(w.Context(), 1000*time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease = lease
}

// assign has the detector probe machines, each probed by all the others too.
func (w *world) assign(numbers ...int) {
	w.Helper()
	p := cluster.Probes{Machine: id(1)}
	for _, n := range numbers {
		target := cluster.Target{Machine: id(n), Address: address(n)}
		for _, other := range numbers {
			if other != n {
				target.Others = append(target.Others, cluster.Peer{Machine: id(other), Address: address(other)})
			}
		}
		p.Targets = append(p.Targets, target)
	}
	if err := w.store.Assign(w.Context(), w.term, []cluster.Probes{p}); err != nil {
		w.Fatal(err)
	}
}

// after lets a time go by and compares the words that stand: the target, and how many
// it reaches.
func (w *world) after(d time.Duration, want map[cluster.MachineID]int) {
	w.Helper()
	time.Sleep(d) // of the bubble
	synctest.Wait()
	got := map[cluster.MachineID]int{}
	for _, event := range w.store.Changes(cluster.Everything, 0).Events {
		if word, is := event.(cluster.SuspicionChanged); is {
			got[word.Suspicion.Target] = len(word.Suspicion.Reaches)
		}
	}
	if !reflect.DeepEqual(got, want) {
		w.Errorf("the words are %v, want %v", got, want)
	}
}

type words = map[cluster.MachineID]int

func TestWordsAreWrittenWhenTheyChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assign(2, 3, 4)
		w.after(time.Minute, words{})
		quiet := w.store.Writes()
		w.after(time.Hour, words{})
		if now := w.store.Writes(); now != quiet {
			t.Errorf("while all answer %d transactions are written", now-quiet)
		}
		w.kill(2)
		w.after(900*time.Millisecond, words{})
		w.after(600*time.Millisecond, words{id(2): 2})
		quiet = w.store.Writes()
		w.after(time.Hour, words{id(2): 2})
		if now := w.store.Writes(); now != quiet {
			t.Errorf("while one is silent %d transactions are written", now-quiet)
		}
		w.kill(2, 3)
		w.after(5*time.Second, words{id(2): 1, id(3): 1})
		w.kill()
		w.after(time.Second, words{})
	})
}

func TestWordsOnOthersAreTakenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assign(2, 3)
		w.kill(2)
		w.after(10*time.Second, words{id(2): 1})
		w.assign(3)
		w.after(time.Second, words{})
		w.assign()
		w.network.mu.Lock()
		before := len(w.sent)
		w.network.mu.Unlock()
		w.after(time.Minute, words{})
		if len(w.sent) > before+1 {
			t.Errorf("with nobody to probe it sends %d echoes", len(w.sent)-before)
		}
	})
}

// A word goes with the lease, and is written again under the next.
func TestWordsStandUnderTheLease(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assign(2, 3)
		w.kill(2)
		w.after(10*time.Second, words{id(2): 1})
		w.store.EndLease(w.lease)
		w.after(10*time.Second, words{})
		w.grant()
		w.after(2*time.Second, words{id(2): 1})
	})
}

func TestStoreAwayHoldsUpNoProbe(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assign(2, 3)
		w.after(5*time.Second, words{})
		w.store.SetAway(true)
		w.kill(2)
		w.after(10*time.Second, words{})
		w.kill(3)
		w.after(10*time.Second, words{})
		w.store.SetAway(false)
		w.after(time.Second, words{id(3): 1}) // and nothing of what was so meanwhile
	})
}

// An earlier life of fleetd under the same lease may have left a word.
func TestWordsOfAnEarlierLifeAreTakenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		word := cluster.Suspicion{Target: id(2)}
		if err := w.store.PutSuspicions(w.Context(), w.lease, id(1), []cluster.Suspicion{word}, nil); err != nil {
			t.Fatal(err)
		}
		w.assign(2, 3)
		w.after(time.Second, words{})
	})
}

// A word whose writing was not answered may be written when it is so no more.
func TestAWordThatComesLateIsTakenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assign(2, 3)
		w.after(5*time.Second, words{})
		w.store.SetAway(true)
		w.kill(2)
		w.after(3*time.Second, words{})
		w.kill()
		w.store.SetAway(false)
		w.after(time.Second, words{})
		if err := w.store.PutSuspicions(w.Context(), w.lease, id(1), []cluster.Suspicion{{Target: id(2)}}, nil); err != nil {
			t.Fatal(err)
		}
		w.after(6*time.Second, words{})
		w.after(2*time.Minute, words{})
		quiet := w.store.Writes()
		w.after(time.Hour, words{})
		if now := w.store.Writes(); now != quiet {
			t.Errorf("long after the doubt %d transactions are written", now-quiet)
		}
	})
}

func TestBrokenSocketEndsTheDetector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no such device")
		d := detector.New(detector.Config{
			Machine: id(1), Runtime: runtime.Real(), Store: memstore.New(), Log: slog.New(slog.DiscardHandler),
			Echoes: &network{broken: broken}, Lease: func() int64 { return 0 },
		})
		if err := d.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("Run: %v, want what the socket said", err)
		}
	})
}
