//go:build machines

package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"argosy/cli/local/lab"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/client"
	"argosy/edge/localnet"
)

// The cluster under test: three members and two workers.
var (
	argosy = os.Getenv("ARGOSY")
	name   = cmp.Or(os.Getenv("ARGOSY_NAME"), "chaos")
)

// machines is the cluster as this package breaks it and looks at it.
type machines struct {
	*lab.Cluster
	all []Machine
}

// up makes the cluster, and has it cleared away when the test ends.
func up(t *testing.T) *machines {
	t.Helper()
	if argosy == "" {
		t.Fatal("set ARGOSY to the binary that is to be tested, or run `make chaos`")
	}
	t.Cleanup(func() { command(t, argosy, "down", "--name", name) })
	command(t, argosy, "up", "--name", name, "--machines", "5")
	c, err := lab.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	m := &machines{Cluster: c}
	for i, machine := range c.Names() {
		m.all = append(m.all, Machine{Name: machine, Member: i < 3})
		m.must(t, machine, "sh", "-c", `printf %s "$1" >/usr/local/bin/witness && chmod 755 /usr/local/bin/witness`, "sh", Witness)
	}
	m.must(t, "core-01", "sh", "-c", "fleetctl destroy hello@1 hello@2 hello@3 hello@4 hello@5")
	return m
}

func command(t *testing.T, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute) // a cleanup runs commands too
	defer cancel()
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// must runs a command on a machine that has to succeed.
func (m *machines) must(t *testing.T, machine string, argv ...string) []byte {
	t.Helper()
	out, err := m.try(t.Context(), machine, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (m *machines) try(ctx context.Context, machine string, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, code, err := m.Run(ctx, machine, argv...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s on %s: exit code %d: %s", strings.Join(argv, " "), machine, code, out)
	}
	return out, err
}

// now is the host's own clock, which is that of the witnesses too.
func now() Time {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // never fails: the clock is there since Linux 2.6.39
	return Time(t.Nano())
}

// begin breaks what a fault says.
func (m *machines) begin(ctx context.Context, f Fault) error {
	switch f.Kind {
	case Kill:
		return m.Kill(ctx, f.Machine)
	case Pause:
		return m.Pause(ctx, f.Machine)
	case Reboot:
		return m.Reboot(ctx, f.Machine)
	case Partition:
		return m.Cluster.Partition(ctx, f.Machine, "", localnet.Both)
	case Deaf:
		return m.Cluster.Partition(ctx, f.Machine, "", localnet.In)
	case Mute:
		return m.Cluster.Partition(ctx, f.Machine, "", localnet.Out)
	case Pair:
		return m.Cluster.Partition(ctx, f.Machine, f.Other, localnet.Both)
	case Lossy:
		return m.Slow(ctx, localnet.Slow{Machine: f.Machine, Loss: 30})
	case KillFleet, KillEtcd:
		return m.signal(ctx, f, "KILL")
	case FreezeFleet, FreezeEtcd:
		return m.signal(ctx, f, "STOP")
	}
	return fmt.Errorf("%s is no kind of fault", f.Kind)
}

// mend mends what begin broke.
func (m *machines) mend(ctx context.Context, f Fault) error {
	switch f.Kind {
	case Kill:
		return m.Start(ctx, f.Machine)
	case Pause:
		return m.Resume(ctx, f.Machine)
	case Partition, Deaf, Mute, Pair, Lossy:
		return m.Heal(ctx, f.Machine)
	case FreezeFleet, FreezeEtcd:
		return m.signal(ctx, f, "CONT")
	case Reboot, KillFleet, KillEtcd:
	}
	return nil
}

func (m *machines) signal(ctx context.Context, f Fault, signal string) error {
	_, service, _ := strings.Cut(string(f.Kind), " ")
	_, err := m.try(ctx, f.Machine, "systemctl", "kill", "--kill-whom=main", "--signal="+signal, service+".service")
	return err
}

// api is a client of one machine's API, past its network.
func (m *machines) api(machine string) (*client.Client, error) {
	root, err := m.Root(machine)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{Endpoints: []string{"unix://" + root + "/run/fleet.sock"}, Timeout: 6 * time.Second})
}

// send asks for one thing at one machine, and says how that ended.
func (m *machines) send(ctx context.Context, machine string, u Unit, w Wanted) (Outcome, error) {
	at, err := m.api(machine)
	if err != nil {
		return Refused, err
	}
	defer at.Close()
	if w.Desired == "" {
		_, err = at.Destroy(ctx, cluster.UnitName(u.Name))
		if errors.Is(err, cluster.ErrNotFound) {
			err = nil // it was so already
		}
	} else {
		text := u.Text(w.Version)
		_, err = at.SetUnit(ctx, cluster.UnitName(u.Name), api.UnitChange{Text: &text, Desired: cluster.Desired(w.Desired)})
	}
	var op *net.OpError
	var answer *api.Error
	switch {
	case err == nil:
		return Acknowledged, nil
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &answer) && answer.Code/100 == 4:
		return Refused, err
	default:
		return Unknown, err
	}
}

// shown is what one machine's API shows of the units.
func (m *machines) shown(ctx context.Context, machine string, units []Unit) (map[string]Shown, error) {
	at, err := m.api(machine)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	there, err := at.Machines(ctx)
	if err != nil {
		return nil, err
	}
	names := map[cluster.MachineID]string{}
	for _, machine := range there.Machines {
		if !machine.OutOfTouch {
			names[machine.ID] = machine.Name
		}
	}
	if len(names) != len(m.all) {
		return nil, fmt.Errorf("%d machines are there and in touch: %v", len(names), names)
	}
	shown := map[string]Shown{}
	for _, u := range units {
		answer, err := at.Unit(ctx, cluster.UnitName(u.Name))
		if errors.Is(err, cluster.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := Shown{Wanted: Wanted{string(answer.Unit.Desired), VersionOf(answer.Unit.Text)}}
		for _, presence := range answer.Unit.On {
			if presence.Placed != nil {
				s.On = append(s.On, names[presence.Machine])
			}
		}
		shown[u.Name] = s
	}
	return shown, nil
}

// runs reads every machine's journal since the round began.
func (m *machines) runs(ctx context.Context, h *History) ([]Run, error) {
	booted := time.Now().Add(-now())
	all := make([][]Run, len(m.all))
	group, ctx := errgroup.WithContext(ctx)
	for i, machine := range m.all {
		group.Go(func() error {
			boots, err := m.try(ctx, machine.Name, "journalctl", "--list-boots", "-o", "json")
			if err != nil {
				return err
			}
			ended, err := ReadBoots(boots, booted)
			if err != nil {
				return err
			}
			out, err := m.try(ctx, machine.Name, "journalctl", "-t", "witness", "-o", "json", "-q",
				"--output-fields=MESSAGE,_BOOT_ID,_PID", fmt.Sprintf("--since=@%d", booted.Add(h.From).Unix()))
			if err != nil {
				return err
			}
			all[i], err = ReadJournal(machine.Name, out, ended, h.Faults)
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(all...), err
}
