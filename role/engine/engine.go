// Package engine places units on machines. Every member runs one; they follow
// all facts, and the one that holds the leader's record writes decisions. It
// keeps no clock but for patience, reads nothing twice and writes nothing while
// nothing changes. What is decided is core/schedule's; when to lead and when a
// picture may be trusted is decided here, and nothing else.
package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"argosy/core/cluster"
	"argosy/core/detect"
	"argosy/core/schedule"
	"argosy/role/runtime"
)

// Store is what an engine needs of the store.
type Store interface {
	Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error
	Leader(ctx context.Context) (cluster.Leader, error)
	TakeLead(ctx context.Context, l cluster.Leader) (cluster.Leader, error)
	Resign(ctx context.Context, l cluster.Leader) error
	Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error)
	Texts
	Fates
}

// Texts ends unit texts that nothing uses, in two steps: see collector.
type Texts interface {
	MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (mark int64, err error)
	Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (collected int, err error)
}

// Planner is the picture that decisions are made from; core/schedule's Picture.
type Planner interface {
	Explainer
	Learn(events ...cluster.Event)
	Forget()
	Judge(id cluster.MachineID, answers bool)
	Clock
	Plan(now time.Time, limit int) []schedule.Change
	Retry(changes ...schedule.Change)
	Unused() []cluster.Hash
}

// Explainer answers questions about decisions.
type Explainer interface {
	Why(unit cluster.UnitName) (schedule.Explanation, bool)
	Copy() *schedule.Copy
}

// Config is what an engine is given.
type Config struct {
	Machine cluster.MachineID // that it runs on
	Run     string            // differs with each start of the engine
	Store   Store
	Planner Planner
	// MayLead says whether this machine may decide; nil where it always may. It is
	// asked whenever the store says something.
	MayLead func() bool
	// Near brings the store's own leadership to this machine, so that decisions
	// take one way less; nil where that cannot be. It is asked once in each term.
	Near func(ctx context.Context) error
	// Secure closes the store to those who are nobody, where that was not done
	// before; nil where the store is open to all. Nothing is decided in a term
	// before it has succeeded.
	Secure  func(ctx context.Context) error
	Log     *slog.Logger
	Runtime runtime.Runtime // nil for Go's own
}

const (
	// planLimit bounds how long news wait for a commit: some 100 ms.
	planLimit = 7680
	// queued is how many batches may wait during a commit; the follower holds
	// the rest.
	queued = 64
	// asking is how many questions may wait for the loop; who asks more waits.
	asking = 16
	// silentAfter outlasts an etcd election. A store that confirms about once a
	// second and is silent for this long is away.
	silentAfter = 5 * time.Second
	// secureAgain is the pause after a store that could not be closed.
	secureAgain = time.Second
	// resignWithin is what a leader that ends waits for its last word to arrive.
	resignWithin = 2 * time.Second
)

// Engine is one member's engine.
type Engine struct {
	config   Config
	on       runtime.Runtime
	campaign campaign
	court    *detect.Court
	leases   []int64        // of lost machines, to be revoked
	known    int64          // the revision up to which everything is known; 0 before the first batch
	heard    time.Time      // when the store last said anything
	silent   bool           // that it is away has been said
	term     cluster.Leader // that this engine may commit in; its Revision is 0 on standby
	// unsettled are changes of terms past whose outcome is not known. They are
	// decided again once everything up to a new term is known.
	unsettled []schedule.Change
	collector collector
	troubled  bool  // the last call to the store did not reach it
	neared    int64 // the term in which Near was asked last
	secure    int64 // the term in which Secure has succeeded
	held      bool  // that failover is held has been said
	status    atomic.Pointer[Status]

	copying   *copying           // nil where nobody waits for one
	copies    *runtime.Semaphore // one at a time: each is as large as the picture
	beside    *runtime.Group     // what goes on beside the loop
	bell      runtime.Bell       // rings for batches and questions
	batches   *runtime.Mailbox[cluster.Batch]
	questions *runtime.Mailbox[question]
	begun     atomic.Bool
}

// New returns an engine that does nothing before Run.
func New(config Config) *Engine {
	on := config.Runtime
	if on == nil {
		on = runtime.Real()
	}
	bell := on.NewBell()
	return &Engine{
		config: config, on: on, campaign: campaign{self: config.Machine, run: config.Run}, court: detect.NewCourt(),
		copies: runtime.NewSemaphore(on, 1), beside: runtime.NewGroup(on), bell: bell,
		batches:   runtime.NewMailbox[cluster.Batch](on, bell, queued),
		questions: runtime.NewMailbox[question](on, bell, asking),
	}
}

// Run follows the store, and leads when it should, until ctx ends; a leader
// resigns then, so that a standby takes over at once. It returns nil when ctx
// ends. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	following, stop := e.on.WithCancel(ctx)
	defer stop()
	var ended error
	e.beside.Go(func() { e.relieve(following) })
	e.beside.Go(func() {
		defer e.batches.Close()
		ended = e.config.Store.Follow(following, cluster.Everything, func(batch cluster.Batch) error {
			return e.batches.Send(following, batch)
		})
	})
	e.heard = e.on.Now()
	e.begun.Store(true)
	e.loop(ctx)
	e.answerNoMore()
	e.resign(ctx)
	stop()
	e.beside.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return ended
}

// loop takes news in, acts on them and answers questions. It acts again without
// news while there is more to do, or when a patience ends.
func (e *Engine) loop(ctx context.Context) {
	more, due := false, e.on.Now().Add(silentAfter)
	for ctx.Err() == nil && !e.batches.Drained() {
		news := e.takeWaiting()
		answered := e.answerOne()
		answered = e.copyOn() || answered
		now := e.on.Now()
		if more || news || !now.Before(due) {
			var wait time.Duration
			more, wait = e.act(ctx, now)
			e.tell()
			due = e.on.Now().Add(wait)
		} else if !answered {
			_ = e.bell.Wait(ctx, due) // an end of ctx ends the loop
		}
	}
}

// takeWaiting takes in all that has come, so that one plan answers it all. It
// says whether there was anything.
func (e *Engine) takeWaiting() (news bool) {
	for {
		batch, there := e.batches.Take()
		if !there {
			return news
		}
		e.take(batch)
		news = true
	}
}

// take learns one batch.
func (e *Engine) take(batch cluster.Batch) {
	now := e.on.Now()
	if e.silent {
		e.config.Log.Info("the store answers again", "silent", now.Sub(e.heard).Round(time.Millisecond), "revision", batch.Revision)
		e.silent = false
	}
	e.heard = now
	if batch.Reset {
		e.config.Planner.Forget()
	}
	e.config.Planner.Learn(batch.Events...)
	e.copying.learn(batch)
	e.observe(now)
	e.campaign.learn(batch, now)
	e.learnFates(batch)
	e.known = batch.Revision
	if e.term.Revision == 0 {
		return
	}
	switch leader := e.campaign.leader; {
	case leader.Revision != e.term.Revision:
		e.config.Log.Warn("deposed", "term", e.term.Revision, "leader", leader.Machine, "since", leader.Since)
		e.term = cluster.Leader{}
	case batch.Reset:
		// A picture read before the last commits were written would have them
		// decided again. A new term is later than all of them.
		e.config.Log.Info("the picture was read anew and needs a new term", "term", e.term.Revision)
		e.term = cluster.Leader{}
	}
}
