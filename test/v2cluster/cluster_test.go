//go:build store

package v2cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/cli/etcd"
)

// asMember makes this test's binary `argosy etcd` instead.
const asMember = "V2CLUSTER_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(asMember) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // its standard input ends with the test, however that dies
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	command := etcd.Command()
	command.SetArgs([]string{"--enable-v2"})
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience bounds each wait for a state; a healthy cluster needs a fraction of it.
const patience = 30 * time.Second

// member is one etcd at a loopback address of its own, with etcd's own ports and
// plain http. The addresses come from the process's number, so that two runs do
// not meet.
type member struct {
	name, host, dir, log string
	build                build
	environment          []string
	process              *exec.Cmd // nil while it is down
	stdin                io.Closer
}

func (m *member) client() string { return "http://" + m.host + ":2379" }
func (m *member) peer() string   { return "http://" + m.host + ":2380" }

// build is what a cluster's members run.
type build struct {
	program     string
	environment []string
	faults      io.Writer // what it says beside its log; nil for nowhere
	after       int       // the number that its members' addresses come after
}

func start(t testing.TB, size int) []*member {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return build{program: binary, environment: []string{asMember + "=1"}, faults: os.Stderr, after: 100}.start(t, size)
}

// startReference starts Debian's etcd with its v2 API.
func startReference(t testing.TB, size int) []*member {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatalf("the reference is Debian's etcd-server (make store unpacks it): %v", err)
	}
	return build{program: program, environment: []string{"ETCD_ENABLE_V2=true", "ETCD_LOGGER=zap"}, after: 200}.start(t, size)
}

func (b build) start(t testing.TB, size int) []*member {
	t.Helper()
	pid := os.Getpid()
	members := make([]*member, size)
	var initial []string
	for i := range members {
		m := &member{name: fmt.Sprintf("core-%02d", i+1), dir: t.TempDir(), build: b,
			host: fmt.Sprintf("127.%d.%d.%d", 1+pid>>8&0x7f, pid&0xff, b.after+i+1)}
		m.log = filepath.Join(m.dir, "log")
		members[i] = m
		initial = append(initial, m.name+"="+m.peer())
	}
	t.Cleanup(func() {
		for _, m := range members {
			m.kill()
			if t.Failed() {
				text, _ := os.ReadFile(m.log)
				t.Logf("%s's log ends:\n%s", m.name, text[max(0, len(text)-2000):])
			}
		}
	})
	for _, m := range members {
		m.environment = append([]string{
			"PATH=/usr/bin:/bin",
			"ETCD_NAME=" + m.name, "ETCD_DATA_DIR=" + m.dir, "ETCD_LOG_OUTPUTS=" + m.log,
			"ETCD_LISTEN_CLIENT_URLS=" + m.client(), "ETCD_ADVERTISE_CLIENT_URLS=" + m.client(),
			"ETCD_LISTEN_PEER_URLS=" + m.peer(), "ETCD_INITIAL_ADVERTISE_PEER_URLS=" + m.peer(),
			"ETCD_INITIAL_CLUSTER=" + strings.Join(initial, ","),
			"ETCD_HEARTBEAT_INTERVAL=50", "ETCD_ELECTION_TIMEOUT=500",
		}, b.environment...)
		m.start(t)
	}
	for _, m := range members {
		m.await(t)
	}
	return members
}

func (m *member) start(t testing.TB) {
	t.Helper()
	process := exec.Command(m.build.program)
	process.Env = m.environment
	process.Stderr = m.build.faults
	stdin, err := process.StdinPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		t.Fatalf("start %s: %v", m.name, err)
	}
	m.process, m.stdin = process, stdin
}

// kill is what a loss of power does to the process.
func (m *member) kill() {
	if m.process == nil {
		return
	}
	_ = m.process.Process.Kill()
	_ = m.process.Wait()
	m.process = nil
}

// await waits until the member carries out a write of v2.
func (m *member) await(t testing.TB) {
	t.Helper()
	web := newWeb()
	defer web.CloseIdleConnections()
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		last = put(t.Context(), web, m, "ready", "yes")
		if last == nil {
			return
		}
	}
	t.Fatalf("%s takes no writes: %v", m.name, last)
}

func (m *member) connect(t testing.TB) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{m.client()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newWeb() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, DisableCompression: true}}
}

func put(ctx context.Context, web *http.Client, m *member, key, value string) error {
	_, err := ask(ctx, web, http.MethodPut, m.client()+"/v2/keys/"+key, url.Values{"value": {value}})
	return err
}

// ask returns the body, and as an error an answer that is none of 200 and 201.
func ask(ctx context.Context, web *http.Client, method, target string, form url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := web.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return text, err
}

// refuses waits until the member lets nobody in without a name.
func (m *member) refuses(t testing.TB, web *http.Client) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if last = put(t.Context(), web, m, "other", "x"); last != nil && strings.Contains(last.Error(), `"errorCode":110,`) {
			return
		}
	}
	t.Fatalf("%s lets everybody in: %v", m.name, last)
}
