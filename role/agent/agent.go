// Package agent makes one machine's systemd match the machine's placements, and
// keeps the cluster told of the machine and of what systemd says there.
//
// When fleetd ends, however it ends, the agent leaves every unit as it is; only
// Leave stops them. When the store is away it carries on with what it knows.
package agent

import (
	"context"
	"log/slog"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/signing"
	"argosy/role/runtime"
)

// Leases keeps the machine known to be there.
type Leases interface {
	GrantLease(ctx context.Context, ttl time.Duration) (int64, error)
	KeepAlive(ctx context.Context, lease int64) error
	RevokeLease(ctx context.Context, lease int64) error
}

// Machines holds the machine's own record.
type Machines interface {
	Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error)
	PutMachine(ctx context.Context, m cluster.Machine) (cluster.Machine, error)
	Depart(ctx context.Context, id cluster.MachineID, lease int64, at time.Time) error
}

// Placements tells what the machine must run.
type Placements interface {
	Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error
	Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error)
	Content(ctx context.Context, hash cluster.Hash) (string, error)
}

// States takes what systemd says.
type States interface {
	States(ctx context.Context, machine cluster.MachineID) ([]cluster.UnitState, error)
	PutStates(ctx context.Context, lease int64, machine cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error
}

// Store is the cluster's store.
type Store interface {
	Leases
	Machines
	Placements
	States
}

// Systemd is this machine's systemd.
type Systemd interface {
	Follow(ctx context.Context, deliver func(converge.Observation) error) error
	Enqueue(ctx context.Context, kind converge.Job, unit cluster.UnitName, ended func(converge.Outcome)) error
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit cluster.UnitName) error
}

// Texts are the units' texts where systemd finds them.
type Texts interface {
	Write(unit cluster.UnitName, text string) error
	Read(unit cluster.UnitName) (text string, err error)
	Remove(unit cluster.UnitName) error
	List() (map[cluster.UnitName]cluster.Hash, error)
}

// Starts are the records of what was started in this boot.
type Starts interface {
	Record(r converge.Record) error
	Forget(unit cluster.UnitName) error
	Records() ([]converge.Record, error)
}

// LeaseFile keeps the machine's lease for the next life of fleetd in this boot.
type LeaseFile interface {
	SaveLease(lease int64) error
	Lease() (int64, error)
	ForgetLease() error
}

// Disk is fleet's own part of this machine's disk.
type Disk interface {
	Texts
	Starts
	LeaseFile
}

// Config is what the agent is told of its machine; Update changes some of it.
type Config struct {
	// Machine is the machine's own account of itself. The agent fills in Lease,
	// Revision and Since.
	Machine cluster.Machine
	// TTL is how long the machine counts as there after its last sign of life.
	TTL   time.Duration
	Peers Peers // nil where other machines cannot be asked
	Fence Fence // nil where units cannot be bound to one
	// Secrets is nil where units can be given none.
	Secrets Secrets
	// Policy says what may be started here; nil where anything may.
	Policy func(context.Context) (signing.Policy, error)
	// Assigned, if set, is told of all that is assigned to the machine, before the
	// agent acts on it: one watch serves both. It must not wait.
	Assigned func(cluster.Batch)
	Log      *slog.Logger
	Runtime  runtime.Runtime // nil for Go's own
}

// Bounds of what goes on at a time, and how often.
const (
	// parallel jobs keep PID 1 busy without making it slow for others.
	parallel = 16
	// slowJob is when a job that has not ended gives its place to the next:
	// a unit that pulls an image for minutes holds up no other.
	slowJob = 250 * time.Millisecond
	// fetches at a time.
	fetches = 16
	// mailRoom is how many messages may wait for the desk; who has more waits.
	mailRoom = 16
	// firstRetry doubles with each failure of a unit's steps up to lastRetry.
	firstRetry, lastRetry = time.Second, time.Minute
	// diskPass is how often the disk is compared with what is known of it.
	diskPass = time.Minute
)

// Agent is one machine's agent; see New.
type Agent struct {
	config  Config
	on      runtime.Runtime
	store   Store
	systemd Systemd
	disk    Disk
	log     *slog.Logger

	begun *runtime.Gate // Run has begun
	bell  runtime.Bell  // of the desk
	mail  *runtime.Mailbox[message]
	slots *runtime.Semaphore // for jobs
	gates *runtime.Semaphore // for fetches
	tasks *runtime.Group

	fenced      fenced
	self        *self
	presence    presence
	endPresence context.CancelFunc // set when Run has begun
	health      health
}

// New returns an agent that does nothing until Run.
func New(config Config, store Store, systemd Systemd, disk Disk) *Agent {
	on := config.Runtime
	if on == nil {
		on = runtime.Real()
	}
	bell := on.NewBell()
	present := presence{bell: on.NewBell(), ended: runtime.NewGate(on)}
	return &Agent{
		config: config, on: on, store: store, systemd: systemd, disk: disk, log: config.Log,
		begun: runtime.NewGate(on), bell: bell, mail: runtime.NewMailbox[message](on, bell, mailRoom),
		slots: runtime.NewSemaphore(on, parallel), gates: runtime.NewSemaphore(on, fetches), tasks: runtime.NewGroup(on),
		fenced: fenced{bell: on.NewBell(), units: map[cluster.UnitName]bool{}},
		self:   newSelf(config, on, present.bell), presence: present,
	}
}

// Run keeps the machine right until ctx ends. It may be called once. It leaves
// units, lease and record as they are when it returns.
func (a *Agent) Run(ctx context.Context) error {
	defer a.dismiss()
	present, endPresence := a.on.WithCancel(ctx)
	defer endPresence()
	a.endPresence = endPresence
	a.begun.Open()
	d, err := newDesk(a)
	if err != nil {
		return err
	}
	parts := runtime.NewGroup(a.on)
	parts.Go(func() { a.stayPresent(present) })
	parts.Go(func() { a.keepFence(ctx) })
	parts.Go(func() {
		_ = a.store.Follow(ctx, cluster.Assigned(a.config.Machine.ID), func(b cluster.Batch) error { // ends with ctx
			a.health.contact(a.on.Now())
			a.heedAssigned(b)
			return a.mail.Send(ctx, placed{b})
		})
	})
	parts.Go(func() {
		_ = a.systemd.Follow(ctx, func(o converge.Observation) error { // ends with ctx
			return a.mail.Send(ctx, observed{o})
		})
	})
	d.run(ctx)
	parts.Wait()
	a.tasks.Wait()
	if d.departure != nil {
		d.departure.stopped.Close()
	}
	return ctx.Err()
}
