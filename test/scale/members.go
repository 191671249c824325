package main

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
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/edge/etcdnode"
)

// patience bounds each wait for a state.
const patience = 60 * time.Second

// process is a part of the cluster that runs in a process of its own. It ends
// with this one, however that dies: its standard input ends then.
type process struct {
	*exec.Cmd
	stdin io.Closer
}

// prepare makes a process of this program in a role.
func prepare(role string, environment ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command(self)}
	p.Env = append([]string{asRole + "=" + role, "PATH=/usr/bin:/bin"}, environment...)
	p.Stderr = os.Stderr
	p.stdin, err = p.StdinPipe()
	return p, err
}

// kill is what a loss of power does to the process.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// play is the other side of spawn.
func play(role string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	switch role {
	case "member":
		settings, err := etcdnode.Parse(nil, os.Environ())
		if err != nil {
			return err
		}
		guard, err := guardOf(settings)
		if err != nil {
			return err
		}
		return etcdnode.Run(ctx, etcdnode.Config{Etcd: settings.Etcd, Guard: guard})
	case "engine":
		return beEngine(ctx)
	case "agents":
		return beAgents(ctx)
	default:
		return fmt.Errorf("there is no role %q", role)
	}
}

// member is one of the store, at a loopback address of its own with etcd's own
// ports, as on its own machine. The address comes from this process's number, so
// that two runs do not meet.
type member struct {
	name, host  string
	environment []string
	pki         string      // the folder of its certificate; empty where it has none
	secrets     *tls.Config // what its clients show; nil where it asks for nothing
	process     *process    // nil while it is down
}

func (m *member) start() error {
	p, err := prepare("member", m.environment...)
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", m.name, err)
	}
	m.process = p
	return nil
}

func (m *member) kill() {
	if m.process != nil {
		m.process.kill()
		m.process = nil
	}
}

func (m *member) url(port int) string {
	scheme := "http"
	if m.secrets != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:%d", scheme, m.host, port)
}

// members is a new store.
type members []*member

// start runs a new store of count members, which lets everybody in, and waits until
// each answers.
func start(ctx context.Context, dir string, count int) (members, error) {
	dir, err := os.MkdirTemp(dir, "members-")
	if err != nil {
		return nil, err
	}
	return begin(ctx, dir, newMembers(count, 0))
}

// newMembers are count of them, whose addresses come behind others'.
func newMembers(count, behind int) (all members) {
	pid := os.Getpid()
	for i := range count {
		all = append(all, &member{
			name: fmt.Sprintf("core-%02d", i+1),
			host: fmt.Sprintf("127.%d.%d.%d", 1+pid>>8&0x7f, pid&0xff, behind+i+1),
		})
	}
	return all
}

func begin(ctx context.Context, dir string, all members) (members, error) {
	for _, m := range all {
		m.environment = append(all.environment(dir, m), m.environment...)
		if err := m.start(); err != nil {
			all.end()
			return nil, err
		}
	}
	for _, m := range all {
		if err := m.await(ctx); err != nil {
			all.end()
			return nil, err
		}
	}
	return all, nil
}

func (ms members) environment(dir string, m *member) []string {
	var initial []string
	for _, other := range ms {
		initial = append(initial, other.name+"="+other.url(2380))
	}
	return []string{
		"ETCD_NAME=" + m.name, "ETCD_DATA_DIR=" + filepath.Join(dir, m.name),
		"ETCD_LOG_OUTPUTS=" + filepath.Join(dir, m.name+".log"),
		"ETCD_LISTEN_CLIENT_URLS=" + m.url(2379), "ETCD_ADVERTISE_CLIENT_URLS=" + m.url(2379),
		"ETCD_LISTEN_PEER_URLS=" + m.url(2380), "ETCD_INITIAL_ADVERTISE_PEER_URLS=" + m.url(2380),
		"ETCD_INITIAL_CLUSTER=" + strings.Join(initial, ","), "ETCD_INITIAL_CLUSTER_TOKEN=" + dir,
	}
}

// await waits until the member answers a read that needs a leader.
func (m *member) await(ctx context.Context) error {
	client, err := members{m}.connect()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		_, err := client.Get(try, "anything")
		cancel()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

func (ms members) connect() (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: ms.endpoints(), TLS: ms[0].secrets, Logger: zap.NewNop()})
}

// endpoints are where clients reach the members.
func (ms members) endpoints() (urls []string) {
	for _, m := range ms {
		urls = append(urls, m.url(2379))
	}
	return urls
}

// end kills those that still run.
func (ms members) end() {
	for _, m := range ms {
		m.kill()
	}
}
