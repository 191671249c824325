//go:build machines

package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"argosy/test/fleetclient"
)

// forwarded is a connection to a machine's socket through its fleetctl
// fd-forward, as fleet's --tunnel made one.
type forwarded struct {
	net.Conn // for deadlines, which are not asked for here
	io.Reader
	io.WriteCloser
	command *exec.Cmd
}

func (f *forwarded) Read(p []byte) (int, error)  { return f.Reader.Read(p) }
func (f *forwarded) Write(p []byte) (int, error) { return f.WriteCloser.Write(p) }

func (f *forwarded) Close() error {
	return errors.Join(f.WriteCloser.Close(), f.command.Wait())
}

func (c local) forward(machine, socket string) (net.Conn, error) {
	f := &forwarded{command: exec.Command(c.argosy, "ssh", "--name", c.name, machine, "--", "fleetctl fd-forward "+socket)}
	f.command.Stderr = os.Stderr
	var err error
	if f.WriteCloser, err = f.command.StdinPipe(); err != nil {
		return nil, err
	}
	if f.Reader, err = f.command.StdoutPipe(); err != nil {
		return nil, err
	}
	return f, f.command.Start()
}

// What fleet 1.0's fleetctl asks for is answered as it expects, on the socket
// that systemd holds, on each machine.
func TestFleetctlOfFleet(t *testing.T) {
	t.Cleanup(func() { cluster.shell(t, "core-01", "fleetctl destroy old.service old@7.service") })
	for machine, unit := range map[string]string{"core-01": "old.service", "core-03": "old@7.service"} {
		client := fleetclient.New(func(context.Context) (net.Conn, error) { return cluster.forward(machine, "/var/run/fleet.sock") })
		if err := client.Session(unit, func() error { waitSince(t, time.Now(), 100*time.Millisecond); return t.Context().Err() },
			&fleetclient.Option{Section: "Service", Name: "ExecStart", Value: "/usr/bin/sleep infinity"},
		); err != nil {
			t.Errorf("on %s: %v", machine, err)
		}
		machines, err := client.Machines()
		if err != nil || len(machines) != len(allMachines) {
			t.Errorf("on %s: %d machines, %v", machine, len(machines), err)
		}
		client.Close()
		if got := cluster.must(t, machine, "systemctl show -P SubState fleet.socket"); got != "running\n" {
			t.Errorf("on %s the socket is %s, not systemd's", machine, got)
		}
	}
}
