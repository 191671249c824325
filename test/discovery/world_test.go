//go:build store

package discovery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/etcd"
)

// asCommand makes this test's binary one of the commands instead.
const asCommand = "DISCOVERYTEST_COMMAND"

func TestMain(m *testing.M) {
	commands := map[string]func() *cobra.Command{"etcd": etcd.Command, "discovery": etcd.DiscoveryCommand}
	build, is := commands[os.Getenv(asCommand)]
	if !is {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // so it never outlives the test, however that dies
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	err := build().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(cli.Code(err))
}

// patience bounds each wait for a state.
const patience = 30 * time.Second

// world is a network of machines at loopback addresses of their own. These come
// from the process's number, so that two runs do not meet.
type world struct {
	t   testing.TB
	dir string
}

func newWorld(t testing.TB) *world { return &world{t, t.TempDir()} }

// address is that of the machine with the number, from 1.
func (w *world) address(n int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>8&0x7f, pid&0xff, n)
}

func (w *world) client(n int) string { return fmt.Sprintf("http://%s:2379", w.address(n)) }
func (w *world) peer(n int) string   { return fmt.Sprintf("http://%s:2380", w.address(n)) }

// process is a program on a machine.
type process struct {
	*exec.Cmd
	world *world
	name  string
	log   *log
	ended chan error
}

// log gathers what a process says.
type log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// start runs a command of ours, or with "debian" the reference.
func (w *world) start(name, command string, arguments ...string) *process {
	w.t.Helper()
	return w.startIn(nil, name, command, arguments...)
}

// startIn is start with an environment.
func (w *world) startIn(environment []string, name, command string, arguments ...string) *process {
	w.t.Helper()
	program, err := os.Executable()
	quiet := "ETCD_LOG_LEVEL=warn"
	if command == "debian" {
		program, err = exec.LookPath("etcd")
		quiet = "ETCD_LOG_LEVEL=info" // what it says of discovery is among it
	}
	if err != nil {
		w.t.Fatalf("the reference is Debian's etcd-server (make store unpacks it): %v", err)
	}
	c := exec.Command(program, arguments...)
	c.Dir = w.dir
	c.Env = append([]string{asCommand + "=" + command, "PATH=/usr/bin:/bin", quiet}, environment...)
	return w.run(name, c)
}

// run starts a process that ends with the test.
func (w *world) run(name string, c *exec.Cmd) *process {
	w.t.Helper()
	p := &process{Cmd: c, world: w, name: name, log: &log{}, ended: make(chan error, 1)}
	p.Stdout, p.Stderr = p.log, p.log
	stdin, err := p.StdinPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		w.t.Fatalf("start %s: %v", name, err)
	}
	go func() { p.ended <- p.Wait() }()
	w.t.Cleanup(func() {
		_ = stdin.Close()
		p.kill()
		if w.t.Failed() {
			text := p.log.String()
			w.t.Logf("%s ends:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
	return p
}

// kill is what a loss of power does to the process.
func (p *process) kill() {
	_ = p.Process.Kill()
	p.ended <- <-p.ended // whoever asks next learns it, too
}

// stop is what systemd does, and wants a clean end.
func (p *process) stop() {
	p.world.t.Helper()
	_ = p.Process.Signal(syscall.SIGTERM)
	p.ends(0)
}

// ends waits for the process's end with that code.
func (p *process) ends(code int) {
	p.world.t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		if got := p.ProcessState.ExitCode(); got != code {
			p.world.t.Fatalf("%s ended with %d (%v), want %d", p.name, got, err, code)
		}
	case <-time.After(patience):
		p.world.t.Fatalf("%s does not end", p.name)
	}
}

// says waits until the process has said something.
func (p *process) says(words string) {
	p.world.t.Helper()
	p.world.until(p.name+" says "+words, func() error {
		if text := p.log.String(); !strings.Contains(text, words) {
			return fmt.Errorf("it says: %.300s", text)
		}
		return nil
	})
}

// until waits for a state.
func (w *world) until(what string, attempt func() error) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := attempt()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

// machine is the command line of an etcd on the machine with the number.
func (w *world) machine(n int, more ...string) []string {
	return append([]string{
		"--name", fmt.Sprintf("core-%02d", n), "--data-dir", w.data(n), "--enable-v2",
		"--listen-client-urls", w.client(n), "--advertise-client-urls", w.client(n),
		"--listen-peer-urls", w.peer(n), "--initial-advertise-peer-urls", w.peer(n),
	}, more...)
}

func (w *world) data(n int) string { return filepath.Join(w.dir, fmt.Sprintf("data-%d", n)) }
