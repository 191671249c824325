//go:build machines

// Package attack plays those who want in, on a cluster of three members and a worker:
// somebody on the network with no certificate or a wrong one, one who has stolen the
// worker's, one who may submit units and writes hostile ones. Each must be refused
// with words that say why, and nothing of what they tried may stay.
//
// It needs root; `make machines` runs it.
package attack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"argosy/edge/authority"
	"argosy/edge/localnet"
	"argosy/edge/nspawn"
)

const (
	clientPort = "2379"  // etcd's, for clients
	peerPort   = "2380"  // etcd's, for members
	apiPort    = "49153" // fleetd's
)

// machines is the cluster that all tests here share.
type machines struct {
	argosy, name string
	plan         struct {
		Machines []struct {
			Name    string `json:"name"`
			Address string `json:"address"`
			Member  bool   `json:"member"`
			ID      string `json:"machine_id"`
		} `json:"machines"`
	}
}

var target = &machines{argosy: os.Getenv("ARGOSY"), name: cmp.Or(os.Getenv("ARGOSY_NAME"), "attack")}

// member and worker are the machines that are attacked, and with which.
const (
	member = "core-01"
	worker = "core-04"
)

func TestMain(m *testing.M) {
	if target.argosy == "" {
		fmt.Fprintln(os.Stderr, "set ARGOSY to the binary that is to be tested, or run `make machines`")
		os.Exit(2)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	argosy := func(args ...string) error {
		cmd := exec.Command(target.argosy, append(args, "--name", target.name)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	defer func() {
		if err := argosy("down"); err != nil {
			fmt.Fprintln(os.Stderr, "argosy down:", err)
		}
	}()
	if err := argosy("up", "--machines", "4"); err != nil {
		fmt.Fprintln(os.Stderr, "argosy up:", err)
		return 1
	}
	text, err := os.ReadFile(target.path("cluster.json"))
	if err == nil {
		err = json.Unmarshal(text, &target.plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "read the cluster's plan:", err)
		return 1
	}
	return m.Run()
}

// path is a file of the cluster's folder on the host.
func (m *machines) path(name string) string { return filepath.Join("/var/lib/argosy", m.name, name) }

// file is a file of a machine as it was made.
func (m *machines) file(machine, name string) string {
	return m.path(filepath.Join("machines", machine, "layer", name))
}

func (m *machines) pki(machine, name string) string {
	return m.file(machine, "etc/argosy/pki/"+name)
}

func (m *machines) address(machine string) string {
	for _, node := range m.plan.Machines {
		if node.Name == machine {
			return node.Address
		}
	}
	return ""
}

func (m *machines) id(machine string) string {
	for _, node := range m.plan.Machines {
		if node.Name == machine {
			return node.ID
		}
	}
	return ""
}

// leader is a machine's PID 1, as the host knows it.
func (m *machines) leader(t *testing.T, machine string) int {
	t.Helper()
	opened, err := nspawn.Open(m.path("machines/" + machine))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := opened.Leader()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// socket connects to fleetd's socket on a machine, as its root.
func (m *machines) socket(t *testing.T, machine string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", fmt.Sprintf("/proc/%d/root/run/fleet.sock", m.leader(t, machine)))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// inside connects as a program on a machine.
func (m *machines) inside(ctx context.Context, pid int, address string) (conn net.Conn, err error) {
	err = localnet.Of(pid).Do(func() error {
		conn, err = (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// dial connects as somebody on the machines' network.
func (m *machines) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = localnet.Named("argosy-" + m.name).Do(func() error {
		conn, err = (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// secrets are what a machine's certificate file and key let one say.
func (m *machines) secrets(t *testing.T, machine, pair string) *tls.Config {
	t.Helper()
	config, err := authority.LoadClient(m.pki(machine, "ca.crt"), m.pki(machine, pair+".crt"), m.pki(machine, pair+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// outcome is what a command did.
type outcome struct {
	stdout, stderr string
	code           int
}

// patience bounds every single command.
const patience = 2 * time.Minute

// shell types a line at a machine's prompt as core.
func (m *machines) shell(t *testing.T, machine, line string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // a cleanup runs commands too
	defer cancel()
	cmd := exec.CommandContext(ctx, m.argosy, "ssh", "--name", m.name, machine, "--", line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s $ %s: %v\n%s%s", machine, line, err, stdout.String(), stderr.String())
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must is shell for a line that has to succeed.
func (m *machines) must(t *testing.T, machine, line string) string {
	t.Helper()
	out := m.shell(t, machine, line)
	if out.code != 0 {
		t.Fatalf("%s $ %s\nexit %d\n%s%s", machine, line, out.code, out.stdout, out.stderr)
	}
	return out.stdout
}

// store is the store as somebody with these secrets speaks to it.
func (m *machines) store(t *testing.T, machine string, secrets *tls.Config) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + net.JoinHostPort(m.address(machine), clientPort)}, TLS: secrets, DialTimeout: 10 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(m.dial)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// unsettled are facts that change by themselves, or because somebody was refused.
var unsettled = []string{"/argosy/v1/leader", "/argosy/v1/history/", "/argosy/v1/suspects/", "/argosy/v1/states/", "/argosy/v1/machines/", "/argosy/audit/"}

// unharmed compares, once a test is over, what an attack could have left with what
// was there: the keys of the store, and the folders of machines.
func (m *machines) unharmed(t *testing.T) {
	t.Helper()
	before := m.traces(t)
	t.Cleanup(func() {
		after := m.traces(t)
		for what, was := range before {
			if is := after[what]; is != was {
				t.Errorf("%s: gone:\n%s\nnew:\n%s", what, without(was, is), without(is, was))
			}
			delete(after, what)
		}
		for what, is := range after {
			t.Errorf("%s was not there, and is\n%s", what, is)
		}
	})
}

// without are the lines of a text that another has not.
func without(text, other string) (lines string) {
	for line := range strings.Lines(text) {
		if !strings.Contains("\n"+other, "\n"+line) {
			lines += line
		}
	}
	return lines
}

func (m *machines) traces(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	client := m.store(t, member, m.secrets(t, member, "machine"))
	defer client.Close()
	all, err := client.Get(ctx, "\x00", clientv3.WithFromKey())
	if err != nil {
		t.Fatalf("read the store: %v", err)
	}
keys:
	for _, kv := range all.Kvs {
		for _, prefix := range unsettled {
			if strings.HasPrefix(string(kv.Key), prefix) {
				continue keys
			}
		}
		found["key "+string(kv.Key)] = string(kv.Value)
	}
	for what, ask := range map[string]func() (any, error){
		"the store's members": func() (any, error) { all, err := client.MemberList(ctx); return all.Members, err },
		"the store's users":   func() (any, error) { all, err := client.UserList(ctx); return all.Users, err },
		"the store's roles":   func() (any, error) { all, err := client.RoleList(ctx); return all.Roles, err },
	} {
		all, err := ask()
		if err != nil {
			t.Fatalf("read %s: %v", what, err)
		}
		found[what] = fmt.Sprint(all)
	}
	const list = "cd / && sudo find run/fleet run/systemd/system run/containers/systemd etc/argosy etc/fleet etc/systemd etc/passwd etc/cron* usr/bin/argosy tmp home root " +
		"-not -path '*/.ssh*' -not -path '*/.fleetctl*' -not -path 'tmp/systemd-private-*' -not -name '.bash*' -printf '%p %y %m %u\\n' 2>/dev/null | sort"
	for _, node := range m.plan.Machines {
		found["files and users of "+node.Name] = m.must(t, node.Name, list+"; cat /etc/passwd /etc/group")
	}
	return found
}
