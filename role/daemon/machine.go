package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/fence"
	"argosy/edge/fleetconf"
	"argosy/edge/host"
	"argosy/edge/httpapi"
	"argosy/edge/probe"
	"argosy/edge/sealing"
	"argosy/edge/systemd"
	"argosy/role/agent"
	"argosy/role/detector"
)

// Systemd is this machine's systemd, for the agent, the API and the end of fleetd.
type Systemd interface {
	agent.Systemd
	Status(ctx context.Context, unit cluster.UnitName) (text string, exitCode int, err error)
	Journal(ctx context.Context, unit cluster.UnitName, options systemd.Options, w io.Writer) error
	FollowJournal(ctx context.Context, unit cluster.UnitName, options systemd.Options, deliver func(text []byte, cursor string) error) error
	JobType(ctx context.Context, pid int) (string, error)
}

// machine is what fleetd runs on: this machine, or a test's.
type machine struct {
	facts   host.Facts
	podman  string // its version; empty where there is none
	systemd Systemd
	disk    agent.Disk
	fence   agent.Fence // nil where there is none
	echoes  echoes      // nil where this machine cannot probe others
	safe    safe        // nil where units can be given no secrets
	// secretsKey is the path of a member's keys for secrets.
	secretsKey string
	// policyFile is the path of this machine's own policy.
	policyFile string
	listen     func() ([]net.Listener, error) // for fleetctl
	notify     func(state string)             // says something to systemd, see sd_notify(3)
}

// echoes asks other machines' kernels whether they run.
type echoes interface {
	detector.Echoes
	Close() error
}

// openEchoes is nil where the kernel does not let us: then others probe alone.
func openEchoes(log *slog.Logger) echoes {
	socket, err := probe.Open()
	if err != nil {
		log.Warn("this machine probes no others", "error", err)
		return nil
	}
	return socket
}

// thisMachine looks around once: a Podman that is installed later counts when
// fleetd starts again.
func thisMachine(ctx context.Context, config fleetconf.Config, log *slog.Logger) (machine, error) {
	facts, err := host.Read()
	if err != nil {
		return machine{}, err
	}
	podman, err := host.Podman(ctx)
	if err != nil {
		log.Warn("this machine takes no Quadlet files", "error", err)
	}
	folders := systemd.DefaultFolders()
	folders.Units = config.UnitsDirectory
	files := systemd.NewFiles(folders)
	return machine{
		facts: facts, podman: podman, echoes: openEchoes(log), systemd: systemd.NewManager(systemd.PrivateSocket, folders), disk: files, listen: listenLocal,
		fence: fenceHere{fence.Term(fence.DefaultTerm), files}, safe: files, secretsKey: sealing.DefaultFile, policyFile: host.PolicyFile,
		// A lost word costs at most a restart, and systemd says so.
		notify: func(state string) { _, _ = daemon.SdNotify(false, state) },
	}, nil
}

// fenceHere is this machine's fence: until when it stands, and who is behind it.
type fenceHere struct {
	fence.Term
	*systemd.Files
}

// fleetSocket is where fleetctl looks, also when systemd does not listen there for us.
const fleetSocket = "/run/fleet.sock"

// listenLocal opens the API for fleetctl: systemd's sockets where it gave us
// some, and else the unix socket. A loopback port that fleet.socket names is open,
// as it was in fleet; on any other one nobody is known, and so nobody answered.
func listenLocal() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over systemd's sockets: %w", err)
	}
	if len(listeners) > 0 {
		for i, l := range listeners {
			listeners[i] = httpapi.Open(boundedHere(l))
		}
		return listeners, nil
	}
	_ = os.Remove(fleetSocket) // of an earlier life
	l, err := net.Listen("unix", fleetSocket)
	if err != nil {
		return nil, fmt.Errorf("listen for fleetctl: %w", err)
	}
	return []net.Listener{boundedHere(l)}, nil
}

// listenTLS opens the API for other machines: TCP with mutual TLS. There is no
// TCP without.
func (p *parts) listenTLS() (net.Listener, error) {
	secrets, err := authority.LoadServer(p.settings.EtcdCAFile, p.settings.EtcdCertFile, p.settings.EtcdKeyFile)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", p.apiAddress())
	if err != nil {
		return nil, fmt.Errorf("listen for other machines: %w", err)
	}
	return tls.NewListener(p.bounded(l), secrets), nil
}

// here gives the API this machine's systemd in the API's words.
type here struct {
	Systemd
	*agent.Agent
}

func (h here) Journal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, w io.Writer) error {
	return h.Systemd.Journal(ctx, unit, systemd.Options(o), w)
}

func (h here) FollowJournal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, send func(api.JournalPiece) error) error {
	return h.Systemd.FollowJournal(ctx, unit, systemd.Options(o), func(text []byte, cursor string) error {
		return send(api.JournalPiece{Text: text, Cursor: cursor})
	})
}
