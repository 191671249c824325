package fleetctl

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"argosy/cli"
	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/core/unitfile"
	"argosy/edge/authority"
	"argosy/edge/httpapi"
	"argosy/edge/memstore"
	"argosy/edge/sealing"
	"argosy/role/registry"
)

// world is a cluster of three machines, one of them a member, of which only the
// APIs are real. What happens to a unit is in its name: see stateOf.
type world struct {
	*testing.T
	store    *memstore.Store
	machines []cluster.Machine
	ours     *authority.Authority
	keys     string // the folder of ours
	door     string // HOST:PORT of where people log in; see openDoor
	lease    int64
	leader   cluster.Leader
	socket   string
	says     map[string]chan string // what a machine's units log, by hostname
	heard    *heard

	mu   sync.Mutex
	view *api.View                              // guarded by mu
	home map[cluster.UnitName]cluster.MachineID // where move has put a unit
}

var worldIDs = []cluster.MachineID{
	"148a18ff6e954cd892dac9de9bb90d5a", "491586a65ba24f1d9fb50b6ce8edbd7f", "c9de9451693d4b2ba3b2f1c7b0d1f0aa",
}

func newWorld(t *testing.T) *world {
	w := &world{
		T: t, store: memstore.New(), view: api.NewView(), socket: filepath.Join(t.TempDir(), "fleet.sock"),
		says: map[string]chan string{}, heard: &heard{}, home: map[cluster.UnitName]cluster.MachineID{},
	}
	ctx, keys := t.Context(), t.TempDir()
	w.lease = must(w.store.GrantLease(ctx, time.Hour))(t)
	t.Cleanup(func() { w.store.EndLease(w.lease) })
	w.ours = must(authority.Create(keys))(t)
	known := registry.New(w.store, slog.New(slog.DiscardHandler))
	key := sealing.File(filepath.Join(t.TempDir(), "secrets.key"))
	if err := key.Create(); err != nil {
		t.Fatal(err)
	}
	vault := registry.NewVault(known, w.store, key)
	people := registry.NewAccess(w.store)
	w.background(people.Run)
	audit := registry.NewAudit(w.store, slog.New(slog.DiscardHandler))
	w.background(audit.Run)
	w.keys = keys
	for i, id := range worldIDs {
		host := fmt.Sprintf("core-%02d", i+1)
		w.says[host] = make(chan string)
		server, client := w.identify(keys, id)
		listeners := []net.Listener{tls.NewListener(must(net.Listen("tcp", "127.0.0.1:0"))(t), server)}
		w.machines = append(w.machines, must(w.store.PutMachine(ctx, cluster.Machine{
			ID: id, Name: host, Address: fmt.Sprintf("10.10.1.%d", i+1), API: listeners[0].Addr().String(), Lease: w.lease, Member: true,
		}))(t))
		if i == 0 {
			listeners = append(listeners, must(net.Listen("unix", w.socket))(t))
		}
		machine := httpapi.New(httpapi.Config{
			Registry: known, Secrets: vault, Policies: registry.Policies{Store: w.store}, Explainer: worldScheduler{w}, Local: worldSystemd{host, w.says[host], w.heard}, Self: id, Host: host, TLS: client, Version: "1",
			Members: []string{listeners[0].Addr().String()}, Access: people, IdentityOf: authority.IdentityOf,
			Audit: audit, People: registry.People{Store: w.store, Tokens: w.store, Door: func() (string, string, error) { return w.door, w.ours.Pin(), nil }},
		})
		w.background(func(ctx context.Context) error { return machine.Serve(ctx, listeners...) })
	}
	w.leader = must(w.store.TakeLead(ctx, cluster.Leader{Machine: worldIDs[0], Run: "1"}))(t)
	w.background(func(ctx context.Context) error { return w.store.Follow(ctx, cluster.Everything, w.act) })
	w.background(known.Run)
	return w
}

// identify issues a machine's certificate, and returns both sides' use of it.
func (w *world) identify(keys string, id cluster.MachineID) (server, client *tls.Config) {
	w.Helper()
	cert, key, err := w.ours.Issue(access.Identity{Kind: access.Member, Name: string(id)}, []string{"127.0.0.1"})
	ca, certFile, keyFile := filepath.Join(keys, "it.crt"), filepath.Join(keys, string(id)+".crt"), filepath.Join(keys, string(id)+".key")
	err = errors.Join(err, os.WriteFile(ca, w.ours.Certificate(), 0o600), os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, key, 0o600))
	if err != nil {
		w.Fatal(err)
	}
	return must(authority.LoadServer(ca, certFile, keyFile))(w.T), must(authority.LoadClient(ca, certFile, keyFile))(w.T)
}

func must[V any](value V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// background runs a part until the test has ended, and waits for it.
func (w *world) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			w.Error(err)
		}
	})
}

// act is leader and agents in one: it brings every unit one step further.
func (w *world) act(batch cluster.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view.Learn(batch.Events...)
	for _, event := range batch.Events {
		if name, about := api.Touched(event); about {
			if err := w.step(name, w.view.Unit(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// move takes a unit to another machine.
func (w *world) move(name cluster.UnitName, to cluster.MachineID) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home[name] = to
	if err := w.step(name, w.view.Unit(name)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) step(name cluster.UnitName, u api.Unit) error {
	stored, known := w.view.Known(name)
	wanted := map[cluster.MachineID]api.Presence{}
	if known && stored.Desired != cluster.Inactive {
		if strings.HasPrefix(string(name), "nowhere") {
			return w.refuse(stored, u)
		}
		for _, id := range w.homes(u) {
			wanted[id] = api.Presence{Machine: id}
		}
	}
	for _, on := range u.On {
		if _, stays := wanted[on.Machine]; stays {
			wanted[on.Machine] = on
		} else {
			return w.letGo(name, on, stored.Revision)
		}
	}
	for _, m := range w.machines {
		if on, is := wanted[m.ID]; is && !w.there(stored, on) {
			return w.bring(stored, on, m)
		}
	}
	return nil
}

// homes are the machines where a unit belongs.
func (w *world) homes(u api.Unit) []cluster.MachineID {
	switch home, moved := w.home[u.Name]; {
	case u.Global:
		return worldIDs
	case moved:
		return []cluster.MachineID{home}
	case u.Name.Instance() != "":
		return worldIDs[len(u.Name)%len(worldIDs):][:1]
	default:
		return worldIDs[:1]
	}
}

func (w *world) refuse(stored cluster.Unit, u api.Unit) error {
	if u.Outcome == api.OutcomeUnplaced {
		return nil
	}
	return w.commit(schedule.Refuse{UnitRevision: stored.Revision, Unplaced: cluster.Unplaced{
		Unit: u.Name, Generation: stored.Generation, Reason: "conflicts with mongo@1.service",
	}})
}

// there says that a machine has done what it has to for a unit.
func (w *world) there(stored cluster.Unit, on api.Presence) bool {
	return on.Placed != nil && on.Placed.Generation == stored.Generation &&
		on.State != nil && on.State.Generation == stored.Generation
}

func (w *world) bring(stored cluster.Unit, on api.Presence, m cluster.Machine) error {
	if on.Placed == nil || on.Placed.Generation != stored.Generation {
		labels, err := w.store.Labels(w.Context(), m.ID)
		if err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return err
		}
		return w.commit(schedule.Place{UnitRevision: stored.Revision, MachineRevision: m.Revision, LabelsRevision: labels.Revision, Placement: cluster.Placement{
			Machine: m.ID, Unit: stored.Name, Hash: stored.Hash, Desired: stored.Desired, Generation: stored.Generation,
		}})
	}
	state := stateOf(stored, m.ID)
	state.Secrets = w.given(stored)
	return w.store.PutStates(w.Context(), w.lease, m.ID, []cluster.UnitState{state}, nil)
}

// given are the secrets that a unit finds when it starts now.
func (w *world) given(u cluster.Unit) cluster.SecretVersions {
	content, _ := w.store.Content(w.Context(), u.Hash) // none asks for none
	versions := map[cluster.SecretName]int64{}
	for _, s := range unitfile.SecretsOf(u.Name, content) {
		stored, _ := w.store.Secret(w.Context(), s.Name)
		versions[s.Name] = stored.Latest().Version
	}
	return cluster.VersionsOf(versions)
}

func (w *world) letGo(name cluster.UnitName, on api.Presence, revision int64) error {
	if on.Placed != nil {
		return w.commit(schedule.Evict{Unit: name, From: on.Machine, UnitRevision: revision})
	}
	return w.store.PutStates(w.Context(), w.lease, on.Machine, nil, []cluster.UnitName{name})
}

func (w *world) commit(change schedule.Change) error {
	_, err := w.store.Commit(w.Context(), w.leader, []schedule.Change{change})
	if err != nil && strings.Contains(err.Error(), cluster.ErrConflict.Error()) {
		return nil // the unit has changed: its event is on the way
	}
	return err
}

// stateOf is what becomes of a unit by its name.
func stateOf(u cluster.Unit, m cluster.MachineID) cluster.UnitState {
	s := cluster.UnitState{
		Machine: m, Unit: u.Name, Hash: u.Hash, Generation: u.Generation, Load: "loaded",
		Active: "active", Sub: "running", Result: "success", Phase: cluster.Settled,
	}
	word := string(u.Name)
	switch {
	case u.Desired == cluster.Loaded, strings.HasPrefix(word, "done"):
		s.Active, s.Sub = "inactive", "dead"
	case strings.HasPrefix(word, "fail"):
		s.Active, s.Sub, s.Result = "failed", "failed", "exit-code"
	case strings.HasPrefix(word, "slow"):
		s.Active, s.Sub, s.Phase = "activating", "start-pre", cluster.Working
	}
	return s
}

// breakOff is what a unit says for its journal to break off.
const breakOff = "break off"

// worldSystemd is the systemd of one machine.
type worldSystemd struct {
	host string
	says <-chan string
	*heard
}

// heard is what the machines were told, in order.
type heard struct {
	mu       sync.Mutex
	restarts []string // "web.service on core-01"
	after    []string // cursors that journals were opened behind
}

func (h *heard) note(list *[]string, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = append(*list, what)
}

// take returns what has been noted since the last look.
func (h *heard) take(list *[]string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	noted := *list
	*list = nil
	return noted
}

// Restart goes well but for units called frail on core-02; those called heavy
// never come to an end there.
func (s worldSystemd) Restart(ctx context.Context, _ string, unit cluster.UnitName) error {
	s.note(&s.restarts, fmt.Sprintf("%s on %s", unit, s.host))
	switch {
	case s.host != "core-02":
	case strings.HasPrefix(string(unit), "frail"):
		return fmt.Errorf("on %s: its job ended as failed: failed (failed), exit-code", s.host)
	case strings.HasPrefix(string(unit), "heavy"):
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// FollowJournal counts what has been said, and calls that the cursor. What is
// not ended yet is lost with a break.
func (s worldSystemd) FollowJournal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, send func(api.JournalPiece) error) error {
	s.note(&s.after, o.After)
	said := 0
	if o.After == "" {
		var text bytes.Buffer
		if err := s.Journal(ctx, unit, api.JournalOptions{Lines: o.Lines}, &text); err != nil {
			return err
		}
		if err := send(api.JournalPiece{Text: text.Bytes(), Cursor: "c0"}); err != nil {
			return err
		}
	} else if _, err := fmt.Sscanf(o.After, "c%d", &said); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line := <-s.says:
			piece := api.JournalPiece{Text: []byte(line + "\n")}
			if line == breakOff {
				if err := send(api.JournalPiece{Text: []byte("what comes again")}); err != nil {
					return err
				}
				return errors.New("the journal is full")
			}
			said++
			piece.Cursor = fmt.Sprintf("c%d", said)
			if err := send(piece); err != nil {
				return err
			}
		}
	}
}

func (worldSystemd) Owns(cluster.UnitName) error { return nil }

func (worldSystemd) Status(_ context.Context, unit cluster.UnitName) (string, int, error) {
	if strings.HasPrefix(string(unit), "fail") {
		return "× " + string(unit) + "\n", 3, nil
	}
	return "● " + string(unit) + "\n", 0, nil
}

func (s worldSystemd) Journal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, out io.Writer) error {
	for i := range o.Lines {
		fmt.Fprintf(out, "%s says %d\n", unit, i+1)
	}
	return nil
}

// said is what a run of fleetctl has printed, and its exit code.
type said struct {
	out, err string
	code     int
}

// paper takes what several write at a time, among them a program's own copier.
type paper struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *paper) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// fleetctl runs the command against the world.
func (w *world) fleetctl(args ...string) said {
	w.Helper()
	return runFleetctl(w.Context(), append([]string{"--endpoint", "unix://" + w.socket}, args...)...)
}

func runFleetctl(ctx context.Context, args ...string) said {
	return runFleetctlWith(ctx, strings.NewReader(""), args...)
}

func runFleetctlWith(ctx context.Context, in io.Reader, args ...string) said {
	cmd := New()
	cmd.SetIn(in)
	var out, errs paper
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(&errs, "fleetctl: %v\n", err)
	}
	return said{out.String(), errs.String(), cli.Code(err)}
}
