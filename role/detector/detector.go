// Package detector probes the machines that the leader has given this one, and tells
// the cluster of those whose kernels are silent. It writes only when its word on a
// machine changes: an idle cluster writes nothing. What silence is, is decided by
// core/detect, and so is what the leader makes of it.
package detector

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"argosy/core/cluster"
	"argosy/core/detect"
	"argosy/role/runtime"
)

// Store takes this machine's words.
type Store interface {
	PutSuspicions(ctx context.Context, lease int64, prober cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error
}

// Echoes asks kernels.
type Echoes interface {
	// Send sends one echo to an IP address.
	Send(address string) error
	// Follow tells who answers, until ctx ends.
	Follow(ctx context.Context, heard func(address string)) error
}

// Config is what a detector is given.
type Config struct {
	Machine cluster.MachineID // that it runs on
	Runtime runtime.Runtime
	Store   Store
	Echoes  Echoes
	// Lease is what the machine's record is bound to now; 0 for none.
	Lease func() int64
	Log   *slog.Logger
}

// mostAnswers bounds the answers that wait to be taken in: some hundred times what
// come in one turn.
const mostAnswers = 1024

// Detector is one machine's detector; see New.
type Detector struct {
	config Config
	began  time.Time
	prober *detect.Prober // the loop's
	teller *teller

	mu       sync.Mutex
	assigned *cluster.Probes // that the loop has not taken in; nil for no news
	answers  []answer
	bell     runtime.Bell // of the loop
}

// answer is who has answered, and when.
type answer struct {
	address string
	at      time.Duration
}

// New returns a detector that does nothing until Run.
func New(config Config) *Detector {
	return &Detector{
		config: config, began: config.Runtime.Now(), prober: detect.NewProber(),
		teller: newTeller(config), bell: config.Runtime.NewBell(),
	}
}

// Learn takes in what is assigned to this machine, of which it wants to know whom to
// probe. It does not wait.
func (d *Detector) Learn(batch cluster.Batch) {
	var news *cluster.Probes
	if batch.Reset {
		news = &cluster.Probes{}
	}
	for _, event := range batch.Events {
		switch e := event.(type) {
		case cluster.ProbesChanged:
			news = &e.Probes
		case cluster.ProbesGone:
			news = &cluster.Probes{}
		default: // the agent's
		}
	}
	if news == nil {
		return
	}
	d.mu.Lock()
	d.assigned = news
	d.mu.Unlock()
	d.bell.Ring()
}

// Run probes until ctx ends. It may be called once.
func (d *Detector) Run(ctx context.Context) error {
	ctx, stop := d.config.Runtime.WithCancel(ctx)
	parts := runtime.NewGroup(d.config.Runtime)
	var broken error
	parts.Go(func() {
		broken = d.config.Echoes.Follow(ctx, d.hear)
		stop() // without answers every machine is silent
	})
	parts.Go(func() { d.teller.run(ctx) })
	d.loop(ctx)
	parts.Wait()
	return broken
}

// hear notes an answer, for the loop's next turn: nothing hurries.
func (d *Detector) hear(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.answers) < mostAnswers {
		d.answers = append(d.answers, answer{address, d.now()})
	}
}

// now is the time since the detector began. A clock that is set does not change it.
func (d *Detector) now() time.Duration { return d.config.Runtime.Now().Sub(d.began) }

func (d *Detector) loop(ctx context.Context) {
	for ctx.Err() == nil {
		d.takeNews()
		now := d.now()
		send, wait := d.prober.Tick(now)
		for _, address := range send {
			// One that cannot be sent is one that is not answered.
			_ = d.config.Echoes.Send(address)
		}
		d.teller.say(d.prober.Words(), d.config.Runtime.Now().Add(-now))
		var next time.Time // zero: until there is news
		if wait > 0 {
			next = d.began.Add(now + wait)
		}
		_ = d.bell.Wait(ctx, next) // ends with ctx
	}
}

// takeNews has the prober told of assignments and answers.
func (d *Detector) takeNews() {
	d.mu.Lock()
	assigned, answers := d.assigned, d.answers
	d.assigned, d.answers = nil, nil
	d.mu.Unlock()
	if assigned != nil {
		d.prober.Assign(assigned.Targets, d.now())
		d.teller.assign(assigned.Targets)
		d.config.Log.Debug("probing", "machines", len(assigned.Targets))
	}
	for _, a := range answers {
		d.prober.Answered(a.address, a.at)
	}
}

func sameWord(a, b detect.Word) bool {
	return a.Target == b.Target && a.Silent == b.Silent && a.Never == b.Never && slices.Equal(a.Reaches, b.Reaches)
}
