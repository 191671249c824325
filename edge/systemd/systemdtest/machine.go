// Package systemdtest is the contract between fleet's agent and a machine: what
// a systemd and the files it reads must do, whether they are real or a fake.
package systemdtest

import (
	"context"
	"testing"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// Machine is a machine under test.
type Machine interface {
	Write(unit cluster.UnitName, text string) error
	Read(unit cluster.UnitName) (text string, err error)
	Remove(unit cluster.UnitName) error
	List() (map[cluster.UnitName]cluster.Hash, error)

	Record(r converge.Record) error
	Forget(unit cluster.UnitName) error
	Records() ([]converge.Record, error)

	Follow(ctx context.Context, deliver func(converge.Observation) error) error
	Enqueue(ctx context.Context, kind converge.Job, unit cluster.UnitName, ended func(converge.Outcome)) error
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit cluster.UnitName) error
}

// Subject is what a test needs of the world around the machine.
type Subject struct {
	Machine
	// Override puts a text where systemd looks before it looks at fleet's, as
	// an administrator does in /etc, and returns its path. It is undone at the
	// test's end.
	Override func(t *testing.T, unit cluster.UnitName, text string) string
	// Disconnect ends all connections to systemd (systemctl daemon-reexec).
	Disconnect func(t *testing.T)
}

// Run holds a machine against the contract. open is called once for each test.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	tests := map[string]func(*testing.T, *watched){
		"starts and stops":                    startsAndStops,
		"a start is done once":                startsOnce,
		"a unit that ends at once":            endsAtOnce,
		"a unit that fails":                   fails,
		"a unit that fails later":             failsLater,
		"a text that cannot be used":          badText,
		"a unit without text":                 noText,
		"a stop cancels a start":              stopCancelsStart,
		"a restart of what is starting":       restartOfAStart,
		"a requirement that fails":            requirementFails,
		"a new text needs a reload":           newText,
		"an instance":                         instance,
		"drop-ins count":                      dropIns,
		"a Quadlet file":                      quadlet,
		"a Quadlet file that cannot be used":  badQuadlet,
		"a file in /etc shadows ours":         shadowed,
		"a new follower sees what is":         secondFollower,
		"a lost connection":                   lostConnection,
		"many at once":                        manyAtOnce,
		"files are listed with their hash":    files,
		"records are kept until forgotten":    records,
		"bad names are refused":               badNames,
		"removing what is not there is right": removeTwice,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, watch(t, open(t))) })
	}
}
