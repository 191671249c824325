package clustertest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/etcdnode"
)

// asMember makes this test's binary a member of the store instead.
const asMember = "CLUSTERTEST_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(asMember) == "" {
		os.Exit(m.Run())
	}
	if err := beMember(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beMember runs etcd as the environment says until SIGTERM, or until its standard
// input ends: so it never outlives the test, however that dies.
func beMember() error {
	settings, err := etcdnode.Parse(nil, os.Environ())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	return etcdnode.Run(ctx, etcdnode.Config{Etcd: settings.Etcd})
}

// patience bounds each wait for a state; a healthy cluster needs a fraction of it.
const patience = 30 * time.Second

// cluster is three members, each at a loopback address of its own with etcd's own
// ports, as on three machines. The addresses come from the process's number, so
// that two runs do not meet; ports from ":0" would have to be known beforehand.
type cluster struct {
	t         *testing.T
	authority *authority.Authority
	dir       string // the authority's, and every certificate
	members   [3]*member
}

type member struct {
	cluster *cluster
	name    string
	host    string
	dir     string
	log     string
	process *exec.Cmd // nil while it is down
	stdin   io.Closer
}

func start(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	a, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, authority: a, dir: dir}
	pid := os.Getpid()
	for i := range c.members {
		m := &member{cluster: c, name: fmt.Sprintf("core-%02d", i+1), dir: t.TempDir(),
			host: fmt.Sprintf("127.%d.%d.%d", 1+pid>>8&0x7f, pid&0xff, i+1)}
		m.log = filepath.Join(dir, m.name+".log")
		// Peers call from 127.0.0.1 here, and etcd wants the calling address in
		// the certificate too.
		c.issue(a, m.name, []string{m.host, "127.0.0.1"}, access.Member)
		c.members[i] = m
	}
	c.issue(a, "local", nil, access.Local)
	t.Cleanup(func() {
		for _, m := range c.members {
			m.kill()
			if t.Failed() {
				text, _ := os.ReadFile(m.log)
				t.Logf("%s's log ends:\n%s", m.name, text[max(0, len(text)-3000):])
			}
		}
	})
	for _, m := range c.members {
		m.start()
	}
	c.await("the new cluster", c.members[:]...)
	return c
}

func (c *cluster) issue(a *authority.Authority, name string, hosts []string, kind access.Kind) {
	c.t.Helper()
	certPEM, keyPEM, err := a.Issue(access.Identity{Kind: kind, Name: name}, hosts)
	err = errors.Join(err,
		os.WriteFile(filepath.Join(c.dir, name+".crt"), certPEM, 0o600),
		os.WriteFile(filepath.Join(c.dir, name+".key"), keyPEM, 0o600))
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (m *member) url(port int) string { return fmt.Sprintf("https://%s:%d", m.host, port) }

// environment is what a machine has in etcd.env.
func (m *member) environment() []string {
	var initial []string
	for _, other := range m.cluster.members {
		initial = append(initial, other.name+"="+other.url(2380))
	}
	file := m.cluster.file
	return []string{
		asMember + "=1", "PATH=/usr/bin:/bin",
		"ETCD_NAME=" + m.name, "ETCD_DATA_DIR=" + m.dir, "ETCD_LOG_OUTPUTS=" + m.log,
		"ETCD_LISTEN_CLIENT_URLS=" + m.url(2379), "ETCD_ADVERTISE_CLIENT_URLS=" + m.url(2379),
		"ETCD_LISTEN_PEER_URLS=" + m.url(2380), "ETCD_INITIAL_ADVERTISE_PEER_URLS=" + m.url(2380),
		"ETCD_INITIAL_CLUSTER=" + strings.Join(initial, ","), "ETCD_INITIAL_CLUSTER_TOKEN=" + m.cluster.dir,
		"ETCD_CERT_FILE=" + file(m.name+".crt"), "ETCD_KEY_FILE=" + file(m.name+".key"),
		"ETCD_TRUSTED_CA_FILE=" + file("ca.crt"), "ETCD_CLIENT_CERT_AUTH=true",
		"ETCD_PEER_CERT_FILE=" + file(m.name+".crt"), "ETCD_PEER_KEY_FILE=" + file(m.name+".key"),
		"ETCD_PEER_TRUSTED_CA_FILE=" + file("ca.crt"), "ETCD_PEER_CLIENT_CERT_AUTH=true",
		"ETCD_HEARTBEAT_INTERVAL=50", "ETCD_ELECTION_TIMEOUT=500",
	}
}

func (m *member) start() {
	m.cluster.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		m.cluster.t.Fatal(err)
	}
	process := exec.Command(binary)
	process.Env = m.environment()
	process.Stderr = os.Stderr // its log is elsewhere: this is a fault
	stdin, err := process.StdinPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		m.cluster.t.Fatalf("start %s: %v", m.name, err)
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

// stop is what systemd does, and wants a clean end.
func (m *member) stop() {
	m.cluster.t.Helper()
	_ = m.process.Process.Signal(syscall.SIGTERM)
	if err := m.process.Wait(); err != nil {
		m.cluster.t.Errorf("stop %s: %v", m.name, err)
	}
	m.process = nil
}

// client calls members as user local.
func (c *cluster) client(members ...*member) *clientv3.Client {
	c.t.Helper()
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.url(2379))
	}
	return c.connect(endpoints, c.tls("local"))
}

func (c *cluster) tls(name string) *tls.Config {
	c.t.Helper()
	config, err := authority.LoadClient(c.file("ca.crt"), c.file(name+".crt"), c.file(name+".key"))
	if err != nil {
		c.t.Fatal(err)
	}
	return config
}

func (c *cluster) connect(endpoints []string, config *tls.Config) *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// await waits until each of members answers a read that needs a leader, and
// returns that leader.
func (c *cluster) await(what string, members ...*member) (leader *member) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for _, m := range members {
		client := c.client(m)
		until(c.t, ctx, what+": "+m.name+" answers", func(ctx context.Context) error {
			_, err := client.Get(ctx, "anything")
			return err
		})
		status, err := client.Status(ctx, m.url(2379))
		if err != nil {
			c.t.Fatalf("%s: status of %s: %v", what, m.name, err)
		}
		if status.Leader == status.Header.MemberId {
			leader = m
		}
	}
	return leader
}

// until tries again until attempt succeeds; each attempt waits on the cluster
// itself, for up to two seconds.
func until(t *testing.T, ctx context.Context, what string, attempt func(context.Context) error) {
	t.Helper()
	var last error
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := attempt(try)
		cancel()
		if err == nil {
			return
		}
		last = err
	}
	t.Fatalf("%s: not within %v, the last time: %v", what, patience, last)
}
