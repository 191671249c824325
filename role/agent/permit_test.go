package agent_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
	"argosy/core/unitfile"
)

// policy is what may be started, as a machine is told.
type policy struct {
	mu    sync.Mutex
	says  signing.Policy
	err   error
	asked int
}

func (w *world) trusts(signers ...signingtest.Signer) *policy {
	w.policy = &policy{}
	w.policy.set(signers...)
	return w.policy
}

func (p *policy) now(context.Context) (signing.Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.says, p.err
}

func (p *policy) set(signers ...signingtest.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = signing.Policy{}
	for _, signer := range signers {
		p.says.Keys = append(p.says.Keys, signer.Key())
	}
}

func (p *policy) setAway(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// signed is a unit's text as it is stored with its signature.
func signed(by signingtest.Signer, file, text string) string {
	return unitfile.Bundle{Text: text, Signatures: by.Sign(file, text)}.Content()
}

var alice, bob = signingtest.New("alice"), signingtest.New("bob")

// What nobody has signed who is trusted comes not even onto the machine, and starts
// once somebody who has is trusted.
func TestUnsignedIsNotStarted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.trusts(alice)
		w.run()
		w.launch("plain.service", sleeps, 1)
		w.launch("web@1.service", signed(alice, "web@.service", sleeps), 1)
		w.launch("web@2.service", signed(alice, "web@1.service", sleeps), 1)
		w.launch("bobs.service", signed(bob, "bobs.service", sleeps), 1)
		w.launch("shop.container", "[Container]\nImage=shop\n", 1)
		w.place("timer.service", sleeps, cluster.Loaded, 1)
		w.pass(10 * time.Minute)
		w.did("start web@1.service")
		for unit, want := range map[cluster.UnitName]string{
			"plain.service":  "not started: plain.service is not signed; trusted: " + alice.Key().Called(),
			"web@2.service":  `not started: web@2.service: there is a signature of "web@1.service", which is none of its files`,
			"bobs.service":   "not started: bobs.service is signed by " + bob.Key().Fingerprint() + ", which is not trusted; trusted: " + alice.Key().Called(),
			"shop.container": "not started: shop.container is not signed; trusted: " + alice.Key().Called(),
			"timer.service":  "not started: timer.service is not signed; trusted: " + alice.Key().Called(),
		} {
			if state := w.is(unit, "1 inactive dead settled"); state.Problem != want {
				t.Errorf("the problem of %s is %q, expected %q", unit, state.Problem, want)
			}
			if text := w.machine.Text(unit); text != "" {
				t.Errorf("%s lies on the machine: %q", unit, text)
			}
		}
		p.set(alice, bob)
		w.pass(2 * time.Minute)
		w.did("start web@1.service", "start bobs.service")
	})
}

// What runs when a key is taken away runs on, through an end of fleetd too; it is
// not started anew, and another text does not take its place.
func TestKeyIsTakenAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.trusts(alice, bob)
		r := w.run()
		text := signed(bob, "web.service", sleeps)
		w.launch("web.service", text, 1)
		w.settle()
		p.set(alice)
		r.end()
		r = w.run()
		w.pass(time.Hour)
		w.is("web.service", "1 active running settled")

		var refused *access.Refused
		if err := r.Restart(t.Context(), "alice", "web.service"); !errors.As(err, &refused) {
			t.Errorf("restart: %v, expected that it is refused", err)
		}
		w.launch("web.service", text, 2)
		w.pass(time.Hour)
		w.did("start web.service")
		const problem = "not started: web.service is signed by "
		if state := w.is("web.service", "2 active running settled"); len(state.Problem) < len(problem) || state.Problem[:len(problem)] != problem {
			t.Errorf("the problem is %q", state.Problem)
		}
		w.launch("web.service", naps, 3)
		w.pass(time.Hour)
		w.did("start web.service")
		if got := w.machine.Text("web.service"); got != text {
			t.Errorf("the machine has %q", got)
		}
		w.launch("web.service", signed(alice, "web.service", naps), 4)
		w.settle()
		w.did("start web.service", "restart web.service")

		w.evict("web.service", signed(alice, "web.service", naps))
		p.set(bob)
		w.settle()
		w.did("start web.service", "restart web.service", "stop web.service")
	})
}

// Nothing is started while it is not known what may be; all the rest goes on.
func TestPolicyIsNotKnown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.trusts()
		r := w.run()
		w.launch("old.service", sleeps, 1)
		w.settle()
		p.setAway(cluster.ErrUnavailable)
		w.launch("web.service", sleeps, 1)
		w.pass(10 * time.Minute)
		const want = "not started: what may be started here is not known: the store cannot be reached"
		if state := w.is("web.service", "1 inactive dead settled"); state.Problem != want {
			t.Errorf("the problem is %q, expected %q", state.Problem, want)
		}
		if err := r.Restart(t.Context(), "alice", "old.service"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("restart: %v", err)
		}
		w.evict("old.service", sleeps)
		w.settle()
		p.setAway(nil)
		w.pass(2 * time.Minute)
		w.did("start old.service", "stop old.service", "start web.service")
	})
}

// The policy is asked for when something is to be started, and not else.
func TestPolicyIsAskedForStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.trusts(alice)
		for _, unit := range []cluster.UnitName{"a.service", "b.service", "c.service"} {
			w.launch(unit, signed(alice, string(unit), sleeps), 1)
		}
		w.run()
		w.settle()
		w.runs("signed", "a.service", "b.service", "c.service")
		if p.asked == 0 || p.asked > 3 {
			t.Errorf("asked %d times", p.asked)
		}
		asked := p.asked
		w.pass(time.Hour)
		if p.asked != asked {
			t.Errorf("asked %d times more while nothing was to be started", p.asked-asked)
		}
	})
}
