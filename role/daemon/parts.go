package daemon

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
	"argosy/core/schedule"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/fleetconf"
	fleetapi "argosy/edge/fleetv1"
	"argosy/edge/host"
	"argosy/edge/httpapi"
	"argosy/edge/sealing"
	"argosy/edge/store"
	"argosy/role/agent"
	"argosy/role/detector"
	"argosy/role/engine"
	"argosy/role/registry"
	"argosy/role/runtime"
)

// parts is what fleetd is made of.
type parts struct {
	config   Config
	settings fleetconf.Config // in force; attend's goroutine alone changes it
	fault    string           // why the last reload was not taken over; attend's too
	on       machine
	log      *slog.Logger
	address  string
	pageRows atomic.Int64
	near     atomic.Pointer[map[netip.Addr]bool] // where members are
	store    *store.Store
	agent    *agent.Agent
	registry *registry.Registry // nil where this machine is no member
	engine   *engine.Engine     // nil where it is none
	known    *registry.Access   // nil where it is none
	vault    *registry.Vault    // nil where it is none
	audit    *registry.Audit    // nil where it is none
	asker    *client.Client     // of members; nil on one, and where this machine has no certificate
	api      *httpapi.API
	// lookAgain has what the cluster is reached by be asked at once; nil where the
	// certificates are somebody else's to see to.
	lookAgain func()
	loops     map[string]func(context.Context) error // by the name that an error of theirs carries
}

func assemble(config Config, on machine) (*parts, error) {
	settings := config.Settings
	if _, ours := ownFolder(settings); ours {
		learnt, err := host.ReadMembers(host.MembersFile)
		if err != nil {
			return nil, err
		}
		settings.EtcdServers = host.WithMembers(settings.EtcdServers, learnt)
	}
	p := &parts{
		config: config, settings: settings, on: on, log: config.Log, address: settings.PublicIP,
		loops: map[string]func(context.Context) error{},
	}
	p.nearBy(settings.EtcdServers)
	if p.address == "" {
		p.address = on.facts.Address
	}
	if p.address == "" {
		return nil, errors.New("this machine has no address but loopback: set public_ip in fleet.conf")
	}
	var secrets *tls.Config
	var err error
	if settings.EtcdCAFile != "" {
		if secrets, err = authority.LoadClient(settings.EtcdCAFile, settings.EtcdCertFile, settings.EtcdKeyFile); err != nil {
			return nil, err
		}
	}
	if err := p.openStore(secrets); err != nil {
		return nil, err
	}
	given := agent.Config{Machine: p.machine(), TTL: settings.AgentTTL, Fence: on.fence, Log: p.log}
	if settings.HasTLS() {
		given.Peers = peers{secrets}
	}
	if on.echoes != nil {
		p.probe(&given)
	}
	if on.safe != nil {
		given.Secrets = secretsHere{on.safe, p}
	}
	given.Policy = (&policyHere{parts: p}).now
	p.agent = agent.New(given, p.agentsStore(), on.systemd, on.disk)
	p.loops["agent"] = p.agent.Run
	p.take(settings)
	if settings.Member {
		p.audit = registry.NewAudit(p.store, p.log)
		p.loops["audit"] = p.audit.Run
	}
	if err := p.certify(); err != nil {
		return nil, err
	}
	return p, p.serve(secrets)
}

// openStore makes the connection to the store, as what this machine is there.
func (p *parts) openStore(secrets *tls.Config) (err error) {
	config := store.Config{
		Endpoints: p.settings.EtcdServers,
		TLS:       secrets,
		Machine:   p.on.facts.ID,
		Username:  p.settings.EtcdUsername,
		Password:  p.settings.EtcdPassword,
		Timeout:   p.settings.RequestTimeout,
		Report:    func(err error) { p.log.Warn("store", "error", err) },
	}
	if _, ours := ownFolder(p.settings); ours {
		config.TLS = authority.ByMember(secrets) // another machine at a member's address is no store
	}
	if !p.settings.Member && p.settings.HasTLS() {
		if err := p.askMembers(secrets); err != nil {
			return err
		}
	}
	p.store, err = store.Open(config)
	return err
}

// probe makes the detector, which learns from the agent's watch whom to probe.
func (p *parts) probe(given *agent.Config) {
	d := detector.New(detector.Config{
		Machine: p.on.facts.ID, Runtime: runtime.Real(), Store: p.store, Echoes: p.on.echoes,
		Lease: func() int64 { return p.agent.Lease() }, Log: p.log,
	})
	given.Assigned = d.Learn
	p.loops["detector"] = d.Run
}

// serve makes the API and what it answers from.
func (p *parts) serve(secrets *tls.Config) (err error) {
	served := httpapi.Config{
		Local:   here{p.on.systemd, p.agent},
		Self:    p.on.facts.ID,
		Host:    p.on.facts.Name,
		TLS:     secrets,
		Version: p.config.Version,
		Checks:  []httpapi.Check{{Name: "agent", Run: p.agentIsInTouch}, {Name: "store", Run: p.closed}},
		Remarks: p.remarks(),
		Claimed: p.agent.Claimed,

		LookAgain:  p.lookAgain,
		IdentityOf: authority.IdentityOf,
	}
	if served.Members, err = members(p.settings); err != nil {
		return err
	}
	var ownAPI http.Handler // fleet's own, which members answer
	if p.settings.Member {
		p.registry = registry.New(p.store, p.log)
		p.loops["registry"] = p.registry.Run
		p.lead()
		p.openVault()
		p.known = registry.NewAccess(p.store)
		p.loops["access"] = p.known.Run
		served.Registry, served.Explainer, served.Access = p.registry, explainer{p.engine, p.closed}, p.known
		served.Cluster = p.cluster
		p.keepKeys()
		served.Keys = keysHere{sealing.File(p.on.secretsKey), p.log}
		served.Secrets, served.Workers = p.vault, registry.Workers{Store: p.store}
		served.Policies = registry.Policies{Store: p.store}
		served.Audit, served.People = p.audit, registry.People{Store: p.store, Tokens: p.store, Door: p.door}
		ownAPI = fleetapi.New(fleetapi.Config{
			Registry: p.registry, By: httpapi.By, Version: p.config.Version, PageRows: func() int { return int(p.pageRows.Load()) },
			May: func(r *http.Request, verb access.Verb, unit cluster.UnitName) error { return p.api.May(r, verb, unit) },
		})
	}
	served.Beside = map[string]http.Handler{fleetv1.Base: ownAPI, fleetv1.AlphaBase: ownAPI}
	p.api = httpapi.New(served)
	return nil
}

// lead makes the engine of a member. One that must not decide explains.
func (p *parts) lead() {
	mayLead := p.agent.Admitted
	if p.settings.DisableEngine {
		p.log.Info("this member never decides where units run", "because", "disable_engine is set")
		mayLead = func() bool { return false }
	}
	config := engine.Config{
		Machine: p.on.facts.ID, Run: rand.Text(), Store: p.store, Planner: schedule.New(), MayLead: mayLead, Log: p.log,
		Near: func(ctx context.Context) error { return p.store.MoveLeadership(ctx, p.address) },
	}
	switch {
	case p.settings.Insecure:
		p.log.Warn(insecure, "because", "insecure is set")
	case p.settings.HasTLS():
		config.Secure = p.secure
	}
	p.engine = engine.New(config)
	p.loops["engine"] = p.engine.Run
}

// agentIsInTouch is a line of /readyz.
func (p *parts) agentIsInTouch(context.Context) error {
	if trouble := p.agent.Health().Trouble; trouble != "" {
		return errors.New(trouble)
	}
	if !p.agent.Admitted() {
		return errors.New("the store has not answered yet")
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
func (p *parts) machine() cluster.Machine {
	facts := p.on.facts
	note := ""
	if p.settings.Insecure {
		note = insecure
	}
	return cluster.Machine{
		Note:     note,
		ID:       facts.ID,
		Name:     facts.Name,
		Address:  p.address,
		API:      p.apiAddress(),
		Member:   p.settings.Member,
		BootID:   facts.BootID,
		Probes:   p.on.echoes != nil,
		Metadata: p.settings.Metadata,
		Capacity: p.settings.CapacityOf(facts.Capacity),
		Versions: p.versions(),
	}
}

// versions are those of what units hang on.
func (p *parts) versions() map[string]string {
	versions := map[string]string{"argosy": p.config.Version, "kernel": p.on.facts.Kernel}
	if p.on.podman != "" {
		versions["podman"] = p.on.podman
	}
	return versions
}

// apiAddress is where other machines reach this one.
func (p *parts) apiAddress() string {
	at, port, _ := net.SplitHostPort(p.settings.APIAddress) // checked by fleetconf
	if at == "" {
		at = p.address
	}
	return net.JoinHostPort(at, port)
}

// listen opens the API.
func (p *parts) listen() ([]net.Listener, error) {
	listeners, err := p.on.listen()
	if err != nil {
		return nil, err
	}
	if !p.settings.HasTLS() {
		p.log.Warn("no certificates are configured: other machines cannot reach this API", "set", "etcd_cafile, etcd_certfile, etcd_keyfile")
		return listeners, nil
	}
	l, err := p.listenTLS()
	if err != nil {
		return nil, err
	}
	return append(listeners, l), nil
}
