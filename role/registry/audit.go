package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// AuditStore is where the audit is kept. What is done is recorded there in the
// transaction that does it; here is the rest.
type AuditStore interface {
	Record(ctx context.Context, e access.Entry) error
	Audit(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error
	TrimAudit(ctx context.Context, keeps func(access.Shelf) int) (ended int64, err error)
}

// Audit records refusals, keeps the audit from growing for ever, and reads it.
type Audit struct {
	store AuditStore
	log   *slog.Logger
	queue chan access.Entry

	mu        sync.Mutex
	meter     access.Meter          // guarded by mu
	strangers access.StrangersMeter // guarded by mu
}

const (
	// auditQueue is how many refusals may wait for the store. The meter lets no more
	// than a few of each person come to that.
	auditQueue = 256
	// trimEvery is how often the oldest entries are ended, by each member.
	trimEvery = 10 * time.Minute
)

// NewAudit makes one that records nothing until it runs.
func NewAudit(store AuditStore, log *slog.Logger) *Audit {
	return &Audit{store: store, log: log, queue: make(chan access.Entry, auditQueue)}
}

// Run writes refusals and ends the oldest entries, until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-a.queue:
			if err := a.store.Record(ctx, e); err != nil && ctx.Err() == nil {
				a.log.Warn("a refusal was not recorded", "by", e.By, "from", e.From, "asked", e.Did, "error", err)
			}
		case <-trim.C:
			ended, err := a.store.TrimAudit(ctx, access.Shelf.Keeps)
			if err != nil && ctx.Err() == nil {
				a.log.Warn("the audit was not trimmed", "error", err)
			} else if ended > 0 {
				a.log.Info("the audit was trimmed", "entries", ended)
			}
		}
	}
}

// Refused records that somebody was refused something. It waits for nobody: who is
// refused without end has most of it counted alone.
func (a *Audit) Refused(by access.Caller, verb access.Verb, asked, why string) {
	a.notDone(by.Refusal(verb, asked, why, time.Now()))
}

// Conflicted records that what somebody asked does not go with what is there, in the
// same way.
func (a *Audit) Conflicted(by access.Caller, verb access.Verb, asked, why string) {
	a.notDone(by.Conflict(verb, asked, why, time.Now()))
}

// NotLetIn records that somebody was refused a certificate, in the same way.
func (a *Audit) NotLetIn(from, asked, why string) {
	a.notDone(access.Stranger(from).Refusal(access.Enter, asked, why, time.Now()))
}

func (a *Audit) notDone(e access.Entry) {
	var allowed bool
	if e.Unrecorded, allowed = a.allow(e); !allowed {
		return
	}
	select {
	case a.queue <- e:
	default:
		a.log.Warn("a refusal was not recorded", "by", e.By, "from", e.From, "asked", e.Did, "error", "too many wait for the store")
	}
}

func (a *Audit) allow(e access.Entry) (unrecorded int, allowed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Shelf() == access.Strangers {
		return a.strangers.Allow(e.From, e.At)
	}
	return a.meter.Allow(e.By, e.At)
}

// Asked records that a machine is about to be asked for what changes nothing in the
// store. What cannot be recorded is not done.
func (a *Audit) Asked(ctx context.Context, by access.Caller, unit cluster.UnitName, what string) error {
	e := by.Entry(access.Change, what+" "+string(unit), "", time.Now())
	e.Outcome = access.Asked
	return a.store.Record(ctx, e)
}

// Entries hands over the entries that are asked for, in order.
func (a *Audit) Entries(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error {
	return a.store.Audit(ctx, query, deliver)
}
