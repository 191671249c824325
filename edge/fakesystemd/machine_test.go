package fakesystemd_test

import (
	"testing"

	"argosy/core/cluster"
	"argosy/edge/fakesystemd"
	"argosy/edge/systemd/systemdtest"
)

func TestContract(t *testing.T) {
	systemdtest.Run(t, func(*testing.T) systemdtest.Subject {
		m := fakesystemd.New()
		return systemdtest.Subject{
			Machine:    m,
			Override:   func(_ *testing.T, unit cluster.UnitName, text string) string { return m.Override(unit, text) },
			Disconnect: func(*testing.T) { m.Disconnect() },
		}
	})
}
