package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/client"
	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/fakesystemd"
	"argosy/edge/fleetconf"
	"argosy/edge/host"
	"argosy/edge/systemd"
	"argosy/role/agent"
)

const self cluster.MachineID = "148a18ff6e954cd892dac9de9bb90d5a"

// fakeSystemd is a systemd in memory that is asked to end fleetd by job.
type fakeSystemd struct {
	*fakesystemd.Machine
	job string
}

func (f *fakeSystemd) Status(context.Context, cluster.UnitName) (string, int, error) {
	return "running\n", 0, nil
}

func (f *fakeSystemd) Journal(context.Context, cluster.UnitName, systemd.Options, io.Writer) error {
	return nil
}

func (f *fakeSystemd) FollowJournal(context.Context, cluster.UnitName, systemd.Options, func([]byte, string) error) error {
	return nil
}

func (f *fakeSystemd) JobType(context.Context, int) (string, error) { return f.job, nil }

// recorder keeps what is written to it.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// fleetd is one that runs in this process, over a real etcd and a systemd in
// memory.
type fleetd struct {
	*testing.T
	conf, socket        string
	systemd             *fakeSystemd
	log, state, notices recorder
	level               slog.LevelVar
	signals             chan os.Signal
	client              *client.Client
	stop                context.CancelFunc
	ended               chan error
}

func start(t *testing.T, conf string) *fleetd {
	f := &fleetd{
		T: t, conf: filepath.Join(t.TempDir(), "fleet.conf"), socket: filepath.Join(t.TempDir(), "fleet.sock"),
		systemd: &fakeSystemd{fakesystemd.New(), "restart"}, signals: make(chan os.Signal), ended: make(chan error, 1),
	}
	f.write("etcd_servers=http://" + strings.Join(etcdtest.Start(t), ",http://") + "\n" + conf)
	settings, _, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	on := machine{
		facts:   host.Facts{ID: self, BootID: "boot-1", Name: "core-01", Address: "127.0.0.1", Capacity: cluster.Capacity{CPUs: 2, MemoryBytes: 1 << 30}},
		systemd: f.systemd, disk: f.systemd.Machine,
		listen: func() ([]net.Listener, error) {
			l, err := net.Listen("unix", f.socket)
			return []net.Listener{l}, err
		},
		notify: func(state string) { _, _ = f.notices.Write([]byte(state + "\n")) },
	}
	if f.client, err = client.New(client.Config{Endpoints: []string{"unix://" + f.socket}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	config := Config{
		Settings: settings, Load: f.load, Version: "1.2.3", Level: &f.level, State: &f.state,
		Log: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: &f.level})),
	}
	go func() { f.ended <- run(ctx, config, on, f.signals) }()
	t.Cleanup(f.end)
	f.until("the machine is listed", func() bool { return f.machine().ID == self })
	return f
}

func (f *fleetd) end() {
	f.stop()
	if err := <-f.ended; err != nil {
		f.Errorf("fleetd ended with %v", err)
	}
	f.ended <- nil
	f.client.Close()
}

func (f *fleetd) load() (fleetconf.Config, []string, error) { return fleetconf.Load(f.conf, nil, nil) }

func (f *fleetd) write(text string) {
	f.Helper()
	if err := os.WriteFile(f.conf, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// add puts lines behind those that are there.
func (f *fleetd) add(lines string) {
	f.Helper()
	text, err := os.ReadFile(f.conf)
	if err != nil {
		f.Fatal(err)
	}
	f.write(string(text) + lines)
}

// until waits for a state that must come.
func (f *fleetd) until(what string, so func() bool) {
	f.Helper()
	deadline := time.After(30 * time.Second)
	for !so() {
		select {
		case <-deadline:
			f.Fatalf("%s: not so; log:\n%s\nsystemd was told:\n%s", what, f.log.String(), f.notices.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *fleetd) machine() api.Machine {
	answer, err := f.client.Machines(f.Context())
	if err != nil || len(answer.Machines) != 1 {
		return api.Machine{}
	}
	return answer.Machines[0]
}

// launch runs a unit and waits until it is active.
func (f *fleetd) launch(name cluster.UnitName) {
	f.Helper()
	text := "[Service]\nExecStart=/bin/sleep inf\n"
	if _, err := f.client.SetUnit(f.Context(), name, api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
		f.Fatal(err)
	}
	f.until(string(name)+" is active", func() bool {
		answer, err := f.client.Unit(f.Context(), name)
		return err == nil && answer.Unit.Outcome == api.OutcomeActive
	})
}

func (f *fleetd) units() int {
	f.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://fleet/fleet/v1/units")
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Units         []struct{} `json:"units"`
		NextPageToken string     `json:"nextPageToken"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		f.Fatal(err)
	}
	return len(answer.Units)
}

func TestReloadChangesWhatItCanAndTouchesNoUnit(t *testing.T) {
	f := start(t, "metadata=region=eu\n")
	f.launch("a.service")
	f.launch("b.service")
	jobs := len(f.systemd.Jobs())
	f.add("metadata=region=us\ncapacity=gpu=2,memory=8G\nverbosity=1\ntoken_limit=1\nagent_ttl=30s\npublic_ip=127.0.0.2\n")
	f.signals <- syscall.SIGHUP
	f.until("the machine says so", func() bool {
		m := f.machine()
		return m.Metadata["region"] == "us" && m.Capacity.Other["gpu"] == 2 && m.Capacity.MemoryBytes == 8<<30 && m.Capacity.CPUs == 2
	})
	if f.machine().IP != "127.0.0.1" {
		t.Errorf("public_ip changed: %+v", f.machine())
	}
	if got := f.units(); got != 1 {
		t.Errorf("a page has %d rows, want token_limit", got)
	}
	if f.level.Level() != slog.LevelDebug {
		t.Errorf("the log's level is %s", f.level.Level())
	}
	for _, want := range []string{`msg="configuration reloaded" changed="verbosity, metadata, agent_ttl, token_limit, capacity"`, `options=public_ip`} {
		f.until(want, func() bool { return strings.Contains(f.log.String(), want) })
	}
	told := f.notices.String()
	if i, j := strings.Index(told, "RELOADING=1\nMONOTONIC_USEC="), strings.LastIndex(told, "READY=1"); i < 0 || j < i {
		t.Errorf("systemd was told:\n%s", told)
	}
	if got := f.systemd.Jobs(); len(got) != jobs {
		t.Errorf("jobs %q, want %d", got, jobs)
	}
}

func TestBadReloadChangesNothing(t *testing.T) {
	f := start(t, "metadata=region=eu\n")
	f.add("metadata=region=us\nmetdata=x\nagent_ttl=soon\n")
	f.signals <- syscall.SIGHUP
	fault := f.conf + `:4: there is no option "metdata"; did you mean metadata?`
	for _, want := range []string{fault, f.conf + `:5: agent_ttl: "soon": expected a duration such as 10s`} {
		quoted := strings.ReplaceAll(want, `"`, `\"`)
		f.until(want, func() bool {
			return strings.Contains(f.log.String(), `msg="configuration not taken over; the old one stands" fault="`+quoted+`"`)
		})
	}
	if m := f.machine(); m.Metadata["region"] != "eu" {
		t.Errorf("changed: %+v", m)
	}
	f.until("systemd is told", func() bool {
		return strings.Contains(f.notices.String(), "STATUS=core-01 at 127.0.0.1: 0 units, 0 failed; member, leading. The last reload changed nothing: "+fault+"\n")
	})
	f.write(strings.Split(readFile(t, f.conf), "metadata=")[0])
	f.signals <- syscall.SIGHUP
	f.until("systemd is told that it is good again", func() bool {
		return strings.HasSuffix(f.notices.String(), "STATUS=core-01 at 127.0.0.1: 0 units, 0 failed; member, leading.\n")
	})
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStateIsOneDocumentWithoutSecrets(t *testing.T) {
	f := start(t, "etcd_username=root\netcd_password=sesame\n")
	f.launch("a.service")
	f.signals <- syscall.SIGUSR1
	f.until("the state is written", func() bool { return strings.HasSuffix(f.state.String(), "\n") })
	text := f.state.String()
	if strings.Count(text, "\n") != 1 || strings.Contains(text, "sesame") {
		t.Errorf("not one line, or with a secret: %s", text)
	}
	var s state
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	u := s.Agent.First
	if s.ID != self || s.Machine.BootID != "boot-1" || s.Machine.Lease == 0 || len(u) != 1 || u[0].Name != "a.service" || u[0].Active != "active" || u[0].Phase != cluster.Settled ||
		s.Engine.Role != "leader" || s.Engine.Term == 0 || s.Registry.Revision == 0 || !s.Agent.Admitted {
		t.Errorf("got %s", text)
	}
	for _, one := range s.Configuration {
		if one.Name == "etcd_password" && (one.Value != "(not shown)" || one.Origin != f.conf+":3") {
			t.Errorf("%+v", one)
		}
	}
}

// However many units there are, the document is one line of the journal.
func TestStateIsBounded(t *testing.T) {
	var s state
	long := strings.Repeat("x", 240)
	s.Agent.Units = 1000
	for range mostListed {
		s.Agent.First = append(s.Agent.First, agent.Unit{Name: cluster.UnitName(long), Problem: long})
	}
	text, err := encode(s)
	if err != nil || len(text) > mostState {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	var back state
	if err := json.Unmarshal(text, &back); err != nil || len(back.Agent.First)+back.Agent.LeftOut != 1000 || back.Agent.LeftOut == 1000 {
		t.Errorf("%d listed, %d left out, %v", len(back.Agent.First), back.Agent.LeftOut, err)
	}
}

// A member whose engine is disabled answers and decides nothing.
func TestDisabledEngine(t *testing.T) {
	f := start(t, "disable_engine=true\n")
	text := "[Service]\nExecStart=/bin/sleep inf\n"
	if _, err := f.client.SetUnit(t.Context(), "a.service", api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
		t.Fatal(err)
	}
	f.until("systemd is told", func() bool { return strings.Contains(f.notices.String(), "; member, engine disabled.") })
	if answer, err := f.client.Unit(t.Context(), "a.service"); err != nil || len(answer.Unit.On) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

// What systemd wants tells a stop from a restart.
func TestEnds(t *testing.T) {
	for job, want := range map[string]int{"restart": 1, "stop": 0} {
		f := start(t, "")
		f.systemd.job = job
		f.launch("a.service")
		f.end()
		if got := len(f.systemd.Running()); got != want {
			t.Errorf("after a %s %d units run, want %d:\n%s", job, got, want, f.log.String())
		}
		if !strings.Contains(f.notices.String(), "STOPPING=1\n") {
			t.Errorf("systemd was told:\n%s", f.notices.String())
		}
	}
}

func TestNoAddress(t *testing.T) {
	_, err := assemble(Config{Log: slog.New(slog.DiscardHandler)}, machine{})
	if err == nil || err.Error() != "this machine has no address but loopback: set public_ip in fleet.conf" {
		t.Error(err)
	}
}
