package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/authority"
)

const (
	here  cluster.MachineID = "148a18ff6e954cd892dac9de9bb90d5a"
	there cluster.MachineID = "491586a65ba24f1d9fb50b6ce8edbd7f"
)

// fakeRegistry knows two units, web.service here and far.service on there.
type fakeRegistry struct {
	mu      sync.Mutex
	by      []string // who wrote, in order
	changes []api.UnitChange
	away    bool
	far     string // HOST:PORT of there
}

func (f *fakeRegistry) available() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return cluster.ErrUnavailable
	}
	return nil
}

func (f *fakeRegistry) MachinesBeginning(_ context.Context, _ int64, b api.Beginning) (api.Machines, error) {
	return api.Machines{Machines: []api.Machine{{ID: here, Name: fmt.Sprintf("%+v", b)}, {ID: there}}}, f.available()
}

func (f *fakeRegistry) UnitsBeginning(_ context.Context, _ int64, b api.Beginning) (api.Units, error) {
	return api.Units{Units: []api.Unit{{Reason: fmt.Sprintf("%+v", b)}}}, f.available()
}

func (f *fakeRegistry) Machines(context.Context, int64, bool) (api.Machines, error) {
	return api.Machines{Machines: []api.Machine{{ID: here}, {ID: there}}}, f.available()
}

func (f *fakeRegistry) Units(_ context.Context, _ int64, only []cluster.UnitName) (api.Units, error) {
	answer := api.Units{Units: []api.Unit{}}
	for _, name := range only {
		unit := api.Unit{Name: name}
		if name == "web.service" {
			unit.On = []api.Presence{{Machine: here, Placed: &cluster.Placement{Machine: here}}}
		}
		answer.Units = append(answer.Units, unit)
	}
	return answer, f.available()
}

func (f *fakeRegistry) States(context.Context, int64, cluster.MachineID) (api.States, error) {
	return api.States{}, f.available()
}

// The lists have pages of one row, at revision 7.
func (f *fakeRegistry) MachinesPage(_ context.Context, _ int64, from api.From, _ bool) (answer api.Machines, more bool, err error) {
	row := api.Machine{ID: here}
	if from.After.Machine != "" {
		row.ID = there
	}
	return api.Machines{Freshness: api.Freshness{Revision: 7}, Machines: []api.Machine{row}}, row.ID == here, f.keeps(from)
}

func (f *fakeRegistry) UnitsPage(_ context.Context, _ int64, from api.From, _ []cluster.UnitName) (answer api.Units, more bool, err error) {
	row := api.Unit{Name: "far.service"}
	if from.After.Unit != "" {
		row.Name = "web.service"
	}
	return api.Units{Freshness: api.Freshness{Revision: 7}, Units: []api.Unit{row}}, row.Name == "far.service", f.keeps(from)
}

func (f *fakeRegistry) StatesPage(_ context.Context, _ int64, from api.From, _ cluster.MachineID) (answer api.States, more bool, err error) {
	row := api.State{Unit: "web.service", Machine: here}
	if from.After.Machine != "" {
		row.Machine = there
	}
	return api.States{Freshness: api.Freshness{Revision: 7}, States: []api.State{row}}, row.Machine == here, f.keeps(from)
}

func (f *fakeRegistry) keeps(from api.From) error {
	if from.Revision != 0 && from.Revision != 7 {
		return api.Expired()
	}
	return f.available()
}

func (f *fakeRegistry) Unit(_ context.Context, _ int64, name cluster.UnitName) (answer api.UnitAnswer, err error) {
	switch name {
	case "web.service":
		answer.Unit = api.Unit{Name: name, On: []api.Presence{{Machine: here}}}
	case "far.service":
		answer.Unit = api.Unit{Name: name, On: []api.Presence{{Machine: there}}}
	case "global.service", "bad.service":
		launched := &cluster.Placement{Desired: cluster.Launched}
		answer.Unit = api.Unit{Name: name, On: []api.Presence{{Machine: here, Placed: launched}, {Machine: there, Placed: launched}}}
	case "loaded.service":
		answer.Unit = api.Unit{Name: name, On: []api.Presence{{Machine: here, Placed: &cluster.Placement{Desired: cluster.Loaded}}}}
	case "nowhere.service":
		answer.Unit = api.Unit{Name: name, Reason: "no machine is up"}
	default:
		err = fmt.Errorf("unit %s: %w", name, cluster.ErrNotFound)
	}
	return answer, err
}

func (f *fakeRegistry) Machine(_ context.Context, id cluster.MachineID) (cluster.Machine, error) {
	if id != there {
		return cluster.Machine{}, fmt.Errorf("machine %s: %w", id, cluster.ErrNotFound)
	}
	return cluster.Machine{ID: there, Name: "core-02", API: f.far}, nil
}

func (f *fakeRegistry) Watch(ctx context.Context, _ int64, names []cluster.UnitName, send func(api.WatchLine) error) error {
	for _, name := range names {
		if err := send(api.WatchLine{Unit: &api.Unit{Name: name}}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func (f *fakeRegistry) Freshness() (api.Freshness, error) { return api.Freshness{}, f.available() }

func (f *fakeRegistry) SetUnit(_ context.Context, by access.Caller, name cluster.UnitName, change api.UnitChange) (api.Written, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by, f.changes = append(f.by, by.Account.Name), append(f.changes, change)
	return api.Written{Name: name, Desired: change.Desired, Created: true, Changed: true}, nil
}

func (f *fakeRegistry) Destroy(_ context.Context, by access.Caller, name cluster.UnitName) (api.Written, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.by = append(f.by, by.Account.Name)
	return api.Written{Name: name}, nil
}

// SetLabels keeps nothing: there machine is away.
func (f *fakeRegistry) SetLabels(_ context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !change.DryRun {
		f.by = append(f.by, by.Account.Name)
	}
	next, changed, err := change.Of(cluster.Labels{Machine: id}, nil, id == there)
	return api.LabelsAnswer{
		Machine: id, Away: id == there, Changed: changed, DryRun: change.DryRun, Metadata: next.Over(nil), Labels: next.Set,
	}, errors.Join(change.Valid(), err)
}

func (f *fakeRegistry) lastBy() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.by) == 0 {
		return ""
	}
	return f.by[len(f.by)-1]
}

// fakeScheduler has web.service leave here when here is labelled region=us.
type fakeScheduler struct{}

func (fakeScheduler) Why(_ context.Context, unit cluster.UnitName) (schedule.Explanation, error) {
	if unit == "nowhere.service" {
		return schedule.Explanation{}, cluster.ErrNotFound
	}
	return schedule.Explanation{
		Unit: unit, Summary: "it is here", Machines: []schedule.Verdict{{Machine: here, Name: "core-01", Here: true, Fits: true, Reason: "the only one"}},
	}, nil
}

func (fakeScheduler) WhatIf(_ context.Context, events ...cluster.Event) ([]schedule.Change, error) {
	switch e := events[0].(type) {
	case cluster.LabelsChanged:
		if e.Labels.Machine == here && e.Labels.Set["region"] == "us" {
			return []schedule.Change{schedule.Place{
				Placement: cluster.Placement{Unit: "web.service", Machine: there, Reason: "has region=eu"}, From: here,
			}}, nil
		}
		if e.Labels.Set["region"] == "gone" {
			return nil, cluster.ErrUnavailable
		}
	}
	return nil, nil
}

// fakeSystemd is one machine's.
type fakeSystemd struct{ host string }

func (f fakeSystemd) Status(_ context.Context, unit cluster.UnitName) (string, int, error) {
	return fmt.Sprintf("%s on %s\n", unit, f.host), 3, nil
}

func (f fakeSystemd) Journal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, w io.Writer) error {
	if o.Output == "json" {
		return fmt.Errorf("journalctl: no entries")
	}
	fmt.Fprintf(w, "%s on %s, last %d\n", unit, f.host, o.Lines)
	if o.Output == "cat" {
		return fmt.Errorf("journalctl: bad\nentry")
	}
	if o.Follow {
		<-ctx.Done()
	}
	return ctx.Err()
}

// FollowJournal sends one piece behind another, whose cursors count on from After.
func (f fakeSystemd) FollowJournal(ctx context.Context, unit cluster.UnitName, o api.JournalOptions, send func(api.JournalPiece) error) error {
	if o.Output == "json" {
		return fmt.Errorf("journalctl: no entries")
	}
	if err := send(api.JournalPiece{Text: []byte(string(unit) + " on " + f.host + "\n"), Cursor: o.After + "c"}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Restart goes well for every unit but bad.service.
func (f fakeSystemd) Restart(_ context.Context, by string, unit cluster.UnitName) error {
	if unit == "bad.service" {
		return fmt.Errorf("on %s: for %s: its job ended\nas failed", f.host, by)
	}
	return nil
}

// Owns tells that this machine has far.service of the cluster.
func (f fakeSystemd) Owns(unit cluster.UnitName) error {
	if unit != "far.service" {
		return fmt.Errorf("%s on %s: %w", unit, f.host, cluster.ErrNotFound)
	}
	return nil
}

// fakeAccess is a register that a test changes.
type fakeAccess struct {
	mu      sync.Mutex
	now     access.Register
	changed chan struct{}
	away    bool
}

func newAccess(accounts ...access.Account) *fakeAccess {
	f := &fakeAccess{changed: make(chan struct{}), now: access.Register{Accounts: map[string]access.Account{}}}
	for _, account := range accounts {
		f.now.Accounts[account.Name] = account
	}
	return f
}

func (f *fakeAccess) Register() (access.Register, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return f.now, f.changed, cluster.ErrUnavailable
	}
	return f.now, f.changed, nil
}

// change puts another register in the place of the one there is.
func (f *fakeAccess) change(next access.Register) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = next
	close(f.changed)
	f.changed = make(chan struct{})
}

// people are accounts of each kind.
func people() []access.Account {
	return []access.Account{
		{Name: "alice", Role: access.Admin}, {Name: "oscar", Role: access.Operator},
		{Name: "wendy", Role: access.Operator, Units: []string{"web*"}}, {Name: "victor", Role: access.Viewer},
	}
}

// pki issues certificates of one authority.
type pki struct {
	*testing.T
	dir       string
	authority *authority.Authority
}

func newPKI(t *testing.T) pki {
	dir := t.TempDir()
	a, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "it.crt"), a.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	return pki{t, dir, a}
}

// issue makes certificate and key, and returns the paths that TLS is loaded from.
func (p pki) issue(name string, kind access.Kind) (ca, cert, key string) {
	p.Helper()
	var hosts []string
	if kind != access.Person && kind != access.Local {
		hosts = []string{"127.0.0.1"}
	}
	certPEM, keyPEM, err := p.authority.Issue(access.Identity{Kind: kind, Name: name}, hosts)
	if err != nil {
		p.Fatal(err)
	}
	name += "-" + string(kind)
	cert, key = filepath.Join(p.dir, name+".crt"), filepath.Join(p.dir, name+".key")
	for path, content := range map[string][]byte{cert: certPEM, key: keyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			p.Fatal(err)
		}
	}
	return filepath.Join(p.dir, "it.crt"), cert, key
}

// serve runs an API on listeners until the test ends.
func serve(t *testing.T, a *API, listeners ...net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, listeners...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// onSocket serves the API on a unix socket and returns a client of it.
func onSocket(t *testing.T, a *API) *http.Client {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, a, l)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask sends one request and returns the whole answer.
func ask(t *testing.T, c *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPut || method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}
