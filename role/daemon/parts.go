package daemon

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/coreos/go-systemd/v22/activation"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
	"argosy/core/schedule"
	"argosy/edge/authority"
	"argosy/edge/fleetconf"
	fleetapi "argosy/edge/fleetv1"
	"argosy/edge/host"
	"argosy/edge/httpapi"
	"argosy/edge/store"
	"argosy/edge/systemd"
	"argosy/role/agent"
	"argosy/role/engine"
	"argosy/role/registry"
)

// parts is what fleetd is made of.
type parts struct {
	log     *slog.Logger
	facts   host.Facts
	address string
	store   *store.Store
	systemd *systemd.Manager
	agent   *agent.Agent
	api     *httpapi.API
	loops   map[string]func(context.Context) error // by the name that an error of theirs carries
}

func assemble(config fleetconf.Config, version string, log *slog.Logger) (*parts, error) {
	facts, err := host.Read()
	if err != nil {
		return nil, err
	}
	p := &parts{log: log, facts: facts, address: config.PublicIP, loops: map[string]func(context.Context) error{}}
	if p.address == "" {
		p.address = facts.Address
	}
	if p.address == "" {
		return nil, errors.New("this machine has no address but loopback: set public_ip in fleet.conf")
	}
	var secrets *tls.Config
	if config.EtcdCAFile != "" {
		if secrets, err = authority.LoadClient(config.EtcdCAFile, config.EtcdCertFile, config.EtcdKeyFile); err != nil {
			return nil, err
		}
	}
	p.store, err = store.Open(store.Config{
		Endpoints: config.EtcdServers,
		TLS:       secrets,
		Report:    func(err error) { log.Warn("store", "error", err) },
	})
	if err != nil {
		return nil, err
	}

	folders := systemd.DefaultFolders()
	folders.Units = config.UnitsDirectory
	p.systemd = systemd.NewManager(systemd.PrivateSocket, folders)
	p.agent = agent.New(agent.Config{Machine: p.machine(config, version), TTL: config.AgentTTL, Log: log},
		p.store, p.systemd, systemd.NewFiles(folders))
	p.loops["agent"] = p.agent.Run

	served := httpapi.Config{
		Local:   journalist{p.systemd},
		Self:    facts.ID,
		Host:    facts.Name,
		TLS:     secrets,
		Version: version,
		Checks:  []httpapi.Check{{Name: "agent", Run: p.agentIsInTouch}},
	}
	var ownAPI http.Handler // fleet's own, which members answer and others pass on
	if config.Member {
		reg := registry.New(p.store, log)
		p.loops["registry"] = reg.Run
		p.loops["engine"] = engine.New(engine.Config{
			Machine: facts.ID, Run: rand.Text(), Store: p.store, Planner: schedule.New(), Log: log,
		}).Run
		served.Registry = reg
		ownAPI = fleetapi.New(fleetapi.Config{Registry: reg, By: httpapi.By, Version: version})
	} else if served.Members, err = members(config); err != nil {
		return nil, err
	}
	served.Beside = map[string]http.Handler{fleetv1.Base: ownAPI, fleetv1.AlphaBase: ownAPI}
	p.api = httpapi.New(served)
	return p, nil
}

// agentIsInTouch is a line of /readyz.
func (p *parts) agentIsInTouch(context.Context) error {
	if trouble := p.agent.Health().Trouble; trouble != "" {
		return errors.New(trouble)
	}
	return nil
}

// members are the APIs of the machines that run the store: their hosts, with
// the port that this machine's own API has.
func members(config fleetconf.Config) ([]string, error) {
	_, port, err := net.SplitHostPort(config.APIAddress)
	if err != nil {
		return nil, fmt.Errorf("api_address: %w", err)
	}
	var all []string
	for _, server := range config.EtcdServers {
		at, err := url.Parse(server)
		if err != nil {
			return nil, fmt.Errorf("etcd_servers: %w", err)
		}
		all = append(all, net.JoinHostPort(at.Hostname(), port))
	}
	return all, nil
}

// machine is what this machine says of itself.
func (p *parts) machine(config fleetconf.Config, version string) cluster.Machine {
	return cluster.Machine{
		ID:       p.facts.ID,
		Name:     p.facts.Name,
		Address:  p.address,
		API:      p.apiAddress(config),
		Member:   config.Member,
		BootID:   p.facts.BootID,
		Metadata: config.Metadata,
		Capacity: p.facts.Capacity,
		Versions: p.versions(version),
	}
}

// versions are those of what units hang on. A Podman that is installed later
// counts when fleetd starts again.
func (p *parts) versions(own string) map[string]string {
	versions := map[string]string{"argosy": own, "kernel": p.facts.Kernel}
	switch podman, err := host.Podman(context.Background()); {
	case err != nil:
		p.log.Warn("this machine takes no Quadlet files", "error", err)
	case podman != "":
		versions["podman"] = podman
	}
	return versions
}

// apiAddress is where other machines reach this one.
func (p *parts) apiAddress(config fleetconf.Config) string {
	at, port, _ := net.SplitHostPort(config.APIAddress) // checked by fleetconf
	if at == "" {
		at = p.address
	}
	return net.JoinHostPort(at, port)
}

// fleetSocket is where fleetctl looks, also when systemd does not listen there for us.
const fleetSocket = "/run/fleet.sock"

// listen opens the API: the unix socket, systemd's where it gave us one, and,
// where there are certificates, TCP with mutual TLS. There is no TCP without.
func (p *parts) listen(config fleetconf.Config) ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over systemd's sockets: %w", err)
	}
	if len(listeners) == 0 {
		_ = os.Remove(fleetSocket) // of an earlier life
		l, err := net.Listen("unix", fleetSocket)
		if err != nil {
			return nil, fmt.Errorf("listen for fleetctl: %w", err)
		}
		listeners = append(listeners, l)
	}
	if config.EtcdCAFile == "" {
		p.log.Warn("no certificates are configured: other machines cannot reach this API", "set", "etcd_cafile, etcd_certfile, etcd_keyfile")
		return listeners, nil
	}
	secrets, err := authority.LoadServer(config.EtcdCAFile, config.EtcdCertFile, config.EtcdKeyFile)
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", p.apiAddress(config), secrets)
	if err != nil {
		return nil, fmt.Errorf("listen for other machines: %w", err)
	}
	return append(listeners, l), nil
}

// journalist gives the API this machine's systemd in the API's words.
type journalist struct{ *systemd.Manager }

func (j journalist) Journal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, w io.Writer) error {
	return j.Manager.Journal(ctx, unit, systemd.Options{Lines: o.Lines, Follow: o.Follow, Output: o.Output}, w)
}
