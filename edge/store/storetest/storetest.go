// Package storetest is the contract of a store of the cluster's facts: what
// engines, agents and APIs rely on, whether etcd is behind it or memory.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/core/signing"
)

// Backend is all that a store does. Its users declare the few methods that each
// needs; the contract covers them together.
type Backend interface {
	Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error
	Content(ctx context.Context, hash cluster.Hash) (string, error)
	Unit(ctx context.Context, name cluster.UnitName) (u cluster.Unit, asOf int64, err error)

	PutUnit(ctx context.Context, unit cluster.Unit, text string, done ...access.Entry) (cluster.Unit, error)
	DeleteUnit(ctx context.Context, name cluster.UnitName, revision int64, done ...access.Entry) error

	GrantLease(ctx context.Context, ttl time.Duration) (int64, error)
	KeepAlive(ctx context.Context, lease int64) error
	RevokeLease(ctx context.Context, lease int64) error
	PutMachine(ctx context.Context, m cluster.Machine) (cluster.Machine, error)
	Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error)
	Machines(ctx context.Context) ([]cluster.Machine, error)
	PutLabels(ctx context.Context, l cluster.Labels, done ...access.Entry) (cluster.Labels, error)
	Labels(ctx context.Context, id cluster.MachineID) (cluster.Labels, error)
	Placements(ctx context.Context, machine cluster.MachineID) ([]cluster.Placement, error)
	Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error)
	States(ctx context.Context, machine cluster.MachineID) ([]cluster.UnitState, error)
	PutStates(ctx context.Context, lease int64, machine cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error

	Leader(ctx context.Context) (cluster.Leader, error)
	TakeLead(ctx context.Context, l cluster.Leader) (cluster.Leader, error)
	Resign(ctx context.Context, l cluster.Leader) error
	Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error)
	MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (mark int64, err error)
	Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (collected int, err error)

	Assign(ctx context.Context, term cluster.Leader, all []cluster.Probes) error
	PutSuspicions(ctx context.Context, lease int64, prober cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error
	EndMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error
	Depart(ctx context.Context, id cluster.MachineID, lease int64, at time.Time) error

	PutAccount(ctx context.Context, a access.Account, done ...access.Entry) (access.Account, error)
	DeleteAccount(ctx context.Context, name string, revision int64, done ...access.Entry) error
	Revocation(ctx context.Context, subject access.Subject) (access.Revocation, error)
	Revoke(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error)
	PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error)
	Register(ctx context.Context) (access.Register, error)
	FollowRegister(ctx context.Context, deliver func(access.Register) error) error
	PutToken(ctx context.Context, token access.Token, done ...access.Entry) error
	Tokens(ctx context.Context) ([]access.Token, error)
	Redeem(ctx context.Context, claim access.Claim, done ...access.Entry) (access.Token, error)
	DeleteToken(ctx context.Context, id string, done ...access.Entry) error

	Record(ctx context.Context, e access.Entry) error
	Audit(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error
	TrimAudit(ctx context.Context, keeps func(access.Shelf) int) (ended int64, err error)

	Secure(ctx context.Context) error
	Expel(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error)

	PutKeyring(ctx context.Context, k access.Keyring, authorities int64, done ...access.Entry) (access.Keyring, error)
	Keyring(ctx context.Context) (access.Keyring, error)
	PutSecret(ctx context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error)
	Secret(ctx context.Context, name cluster.SecretName) (cluster.Secret, error)
	Secrets(ctx context.Context) ([]cluster.Secret, error)
	DeleteSecret(ctx context.Context, name cluster.SecretName, revision int64, done ...access.Entry) error

	PutPolicy(ctx context.Context, p signing.Policy, done ...access.Entry) (signing.Policy, error)
	Policy(ctx context.Context) (signing.Policy, error)
}

// Run tries the contract, each part on a store of its own. A store may share
// its server with others only if open empties it.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	parts := map[string]func(*suite){
		"unit is written, read, guarded and deleted":     testUnits,
		"a text is shared, its hash stands for one text": testContents,
		"malformed names and values are refused":         testMalformed,
		"odd but allowed names and texts come back":      testOdd,
		"machine's record is guarded and leased":         testMachine,
		"labels are guarded and outlive their machine":   testLabels,
		"malformed labels are refused":                   testMalformedLabels,
		"lease that ends takes the machine, no more":     testLeaseEnds,
		"lease kept alive goes on, left alone it ends":   testLeaseTime,
		"states are written and removed":                 testStates,
		"one leader at a time":                           testLeader,
		"deposed leader's writes fail":                   testDeposed,
		"each decision stands on its own guards":         testGuards,
		"a placement is guarded by its labels too":       testLabelled,
		"a placement that waited for a machine's end":    testFromGone,
		"a placement is read as it stands":               testPlacement,
		"every kind of decision":                         testDecisions,
		"a thousand decisions in one Commit":             testThousand,
		"a placement is decided once in a Commit":        testTwice,
		"a unit is placed on many machines at once":      testGlobal,
		"a text that nobody uses is collected":           testUnused,
		"follower sees all, then each change in order":   testFollow,
		"follower of one machine sees its placements":    testAssigned,
		"probes are assigned by the leader alone":        testAssign,
		"suspicions are written, withdrawn and leased":   testSuspicions,
		"a lost machine's record ends in a term":         testEndMachine,
		"a machine that leaves says so":                  testDepart,
		"malformed words of the detector are refused":    testMalformedDetection,
		"accounts are guarded":                           testAccounts,
		"a revocation counts the generation up":          testRevoked,
		"an expelled machine has left":                   testExpel,
		"authorities are guarded":                        testAuthorities,
		"a token is used as often as it says":            testTokens,
		"a token in a race":                              testRace,
		"follower of who may do what":                    testRegister,
		"what is done is recorded with it, or neither":   testAudit,
		"the audit is read in order, page by page":       testAuditInOrder,
		"each shelf of the audit ends its own oldest":    testAuditTrimmed,
		"secrets are guarded":                            testSecrets,
		"many large secrets":                             testManySecrets,
		"malformed secrets are refused":                  testMalformedSecrets,
		"a keyring guards what is sealed by it":          testKeyring,
		"the policy of what may be started is guarded":   testPolicy,
		"followers and writers at once":                  testConcurrent,
		"follower of an idle store is told so":           testConfirm,
		"follower ends with ctx or what deliver says":    testFollowEnds,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			part(&suite{T: t, store: open(t)})
		})
	}
}

// patience bounds each wait of the suite; nothing depends on how long one takes.
const patience = 30 * time.Second

// suite is one part of the contract under way.
type suite struct {
	*testing.T
	store Backend
}

func machineID(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

func unitName(n int) cluster.UnitName {
	return cluster.UnitName(fmt.Sprintf("web@%d.service", n))
}

// aUnit is a unit to be written for the first time.
func aUnit(name cluster.UnitName, text string) cluster.Unit {
	return cluster.Unit{
		Name: name, Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1,
		By: "core", At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	}
}

func (s *suite) putUnit(unit cluster.Unit, text string) cluster.Unit {
	s.Helper()
	written, err := s.store.PutUnit(s.Context(), unit, text)
	if err != nil {
		s.Fatalf("put unit %s: %v", unit.Name, err)
	}
	return written
}

// putMachine registers machine n with a lease that outlasts the test.
func (s *suite) putMachine(n int) cluster.Machine {
	s.Helper()
	lease, err := s.store.GrantLease(s.Context(), time.Hour)
	if err != nil {
		s.Fatalf("grant a lease: %v", err)
	}
	s.Cleanup(func() { _ = s.store.RevokeLease(context.WithoutCancel(s.Context()), lease) }) // often ended already
	m, err := s.store.PutMachine(s.Context(), cluster.Machine{
		ID: machineID(n), Name: fmt.Sprintf("core-%02d", n), Lease: lease,
		Metadata: map[string]string{"region": "hamburg"},
	})
	if err != nil {
		s.Fatalf("put machine %d: %v", n, err)
	}
	return m
}

func (s *suite) takeLead(machine cluster.MachineID) cluster.Leader {
	s.Helper()
	l, err := s.store.TakeLead(s.Context(), cluster.Leader{Machine: machine, Run: "a"})
	if err != nil {
		s.Fatalf("take the lead: %v", err)
	}
	return l
}

// placed is the decision to place unit on m.
func placed(unit cluster.Unit, m cluster.Machine) schedule.Place {
	return schedule.Place{
		Placement: cluster.Placement{
			Machine: m.ID, Unit: unit.Name, Hash: unit.Hash, Desired: unit.Desired,
			Generation: unit.Generation, Reason: "the only machine", At: unit.At,
		},
		UnitRevision: unit.Revision, MachineRevision: m.Revision,
	}
}

func (s *suite) commit(term cluster.Leader, changes ...schedule.Change) []cluster.Event {
	s.Helper()
	events, err := s.store.Commit(s.Context(), term, changes)
	if err != nil {
		s.Fatalf("commit: %v", err)
	}
	return events
}

// all is what a new follower of the scope is told first.
func (s *suite) all(scope cluster.Scope) cluster.Batch {
	s.Helper()
	return s.follow(scope).next()
}
