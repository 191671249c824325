package fleetctl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"argosy/cli"
)

// TestMain lets the test's own program be the ssh and the ssh-keygen that fleetctl
// runs, and the fleetctl that a shell runs.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "ssh":
		os.Exit(fakeSSH(os.Args[1:]))
	case "ssh-keygen":
		os.Exit(fakeKeygen(os.Args[1:]))
	case "fleetctl":
		os.Exit(cli.Code(New().Execute()))
	}
	os.Exit(m.Run())
}

// fakeSSH notes its arguments, forwards a socket for as long as its stdin is
// open, or runs the command here. To the host "down" there is no way.
func fakeSSH(args []string) int {
	if slices.Contains(args, "StrictHostKeyChecking=accept-new") {
		return fakeIntroduction(args)
	}
	out, err := os.OpenFile(os.Getenv("FAKE_SSH"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 255
	}
	fmt.Fprintln(out, strings.Join(args, "\n"))
	rest := args[slices.Index(args, "--")+1:]
	if rest[0] == "down" {
		fmt.Fprintln(os.Stderr, "ssh: connect to host down port 22: Connection refused")
		return 255
	}
	if at := slices.Index(args, "-L"); at >= 0 {
		here, there, _ := strings.Cut(args[at+1], ":")
		listener, err := net.Listen("unix", here)
		if err != nil {
			return 255
		}
		go fakeForward(listener, there)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	shell := exec.Command("sh", "-c", strings.Join(rest[1:], " "))
	shell.Stdin, shell.Stdout, shell.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = shell.Run()
	return shell.ProcessState.ExitCode()
}

// fakeIntroduction adds the host's key to the known ones, if it has one, and lets
// nobody in.
func fakeIntroduction(args []string) int {
	for _, argument := range args {
		file, is := strings.CutPrefix(argument, "UserKnownHostsFile=")
		if key := os.Getenv("FAKE_SSH_KEY"); is && key != "" {
			host := args[slices.Index(args, "--")+1]
			if err := os.WriteFile(strings.Trim(file, `"`), []byte(host+" "+key+"\n"), 0o600); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	return 255
}

func fakeForward(listener net.Listener, there string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		network := "tcp"
		if strings.HasPrefix(there, "/") {
			network = "unix"
		}
		far, err := net.Dial(network, there)
		if err != nil {
			_ = near.Close()
			continue
		}
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
	}
}

// withSSH puts the fake ssh into PATH, and returns what it was called with since
// the last look, a line an argument.
func withSSH(t *testing.T) (called func() []string) {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	if err = errors.Join(err, os.Symlink(self, filepath.Join(folder, "ssh"))); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(folder, "log")
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("FAKE_SSH", log)
	t.Setenv("HOME", filepath.Join(folder, "home"))
	return func() []string {
		text, err := os.ReadFile(log)
		if err = errors.Join(err, os.Remove(log)); err != nil {
			t.Fatalf("ssh was not called: %v", err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
}

func TestSSH(t *testing.T) {
	w := newWorld(t)
	files(t)
	called := withSSH(t)
	w.launched("web.service", text)
	w.launched("agent.service", text+globally)
	known := os.Getenv("HOME") + "/.fleetctl/known_hosts"
	usual := []string{"-o", "User=core", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=ask", "-o", `UserKnownHostsFile="` + known + `"`, "-p", "22"}
	for _, c := range []struct {
		args string
		want string // behind the usual options
		code int
	}{
		{"ssh core-02 exit 7", "-- 10.10.1.2 exit 7", 7},
		{"ssh 4915 -- true", "-- 10.10.1.2 true", 0},
		{"ssh web true -l -f", "-- 10.10.1.1 true -l -f", 0},
		{"ssh --machine=core-03 -- true --machine x", "-- 10.10.1.3 true --machine x", 0},
		{"ssh --unit=web.service --A true", "-A -- 10.10.1.1 true", 0},
		{"ssh --unit=web.service --forward-agent", "-A -- 10.10.1.1", 0},
	} {
		got := w.fleetctl(strings.Fields(c.args)...)
		want := append(slices.Clone(usual), strings.Fields(c.want)...)
		if arguments := called(); got.code != c.code || got.err != "" || !slices.Equal(arguments, want) {
			t.Errorf("%s: %+v, ssh %q, want %q", c.args, got, arguments, want)
		}
	}
	got := w.fleetctl("ssh", "--ssh-port=2222", "--ssh-username", "me", "--ssh-timeout=0.5", "--strict-host-key-checking=false",
		"--known-hosts-file="+os.Getenv("HOME")+"/k", "core-01", "echo", "hello")
	w.want(got, 0, "hello\n", "")
	if arguments := strings.Join(called(), " "); arguments != `-o User=me -o ConnectTimeout=1 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -p 2222 -- 10.10.1.1 echo hello` {
		t.Errorf("ssh %s", arguments)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"ssh", 2, "a machine or a unit is expected"},
		{"ssh nobody", 3, "nobody: no machine and no unit on one is called so"},
		{"ssh --machine a --unit b", 2, "give one of them"},
		{"ssh --ssh-port=0 core-01", 2, "--ssh-port is 0"},
		{"ssh agent", 1, "unit agent.service is on 3 machines, among them core-01 and core-02: say --machine"},
		{"ssh --unit nothing", 3, "unit nothing.service: not found"},
	} {
		if got := w.fleetctl(strings.Fields(c.args)...); got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: %+v, want exit %d and %q", c.args, got, c.code, c.says)
		}
	}
	t.Setenv("PATH", "")
	w.want(w.fleetctl("ssh", "core-01"), 1, "", "ssh is needed")
}

// TestHostKeys: an unknown one is asked about on stdin, and what is behind the
// answer stays there.
func TestHostKeys(t *testing.T) {
	w := newWorld(t)
	called := withSSH(t)
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	t.Setenv("FAKE_SSH_KEY", key)
	question := func(host string) string {
		return "The authenticity of host '" + host + "' can't be established.\n" +
			"ED25519 key fingerprint is SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU.\n" +
			"Are you sure you want to continue connecting (yes/no)? "
	}
	known := filepath.Join(os.Getenv("HOME"), ".fleetctl", "known_hosts")
	kept := func() string {
		text, err := os.ReadFile(known)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, answer := range []string{"no\n", "\n", ""} {
		got := w.typing(answer, "ssh", "core-01", "true")
		w.want(got, 255, "", question("10.10.1.1")+"\nfleetctl: ssh to 10.10.1.1: its host key is not known, and was not accepted\n")
		if kept() != "" {
			t.Fatalf("the answer %q has it kept: %s", answer, kept())
		}
	}
	w.want(w.typing("y\nthe rest", "ssh", "core-01", "cat"), 0, "the rest", question("10.10.1.1"))
	w.want(w.typing("", "ssh", "core-01", "true"), 0, "", "")
	w.want(w.typing("yes\n", "ssh", "core-02", "true"), 0, "", question("10.10.1.2"))
	w.want(w.typing("", "--strict-host-key-checking=false", "ssh", "core-03", "true"), 0, "", "")
	if want := "10.10.1.1 " + key + "\n10.10.1.2 " + key + "\n"; kept() != want {
		t.Errorf("kept:\n%swant:\n%s", kept(), want)
	}
	called()
	w.want(w.typing("no\n", "--tunnel", "gate", "list-machines"), 1, "", "tunnel to gate: ssh to gate: its host key is not known, and was not accepted")
	w.want(w.typing("YES\ny\n", "--tunnel=gate", "ssh", "core-03", "true"), 0, "", question("gate")+question("10.10.1.3"))
	if arguments := strings.Join(called(), "\n"); !strings.Contains(arguments, "ProxyCommand=ssh '-o' 'User=core'") {
		t.Errorf("ssh %s", arguments)
	}
}

// typing runs the command with something on its stdin.
func (w *world) typing(in string, args ...string) said {
	w.Helper()
	return runFleetctlWith(w.Context(), strings.NewReader(in), append([]string{"--endpoint", "unix://" + w.socket}, args...)...)
}

func TestTunnel(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := newWorld(t)
	files(t)
	called := withSSH(t)
	w.want(w.fleetctl("list-machines", "--no-legend", "--fields=ip", "--tunnel", "gate:2200"), 0, "10.10.1.1\n10.10.1.2\n10.10.1.3\n", "")
	arguments := strings.Join(called(), " ")
	if !strings.Contains(arguments, " -p 2200 -T -o ExitOnForwardFailure=yes -L ") || !strings.HasSuffix(arguments, ":"+w.socket+" -- gate cat") {
		t.Errorf("ssh %s", arguments)
	}
	t.Setenv("FLEETCTL_TUNNEL", "gate")
	w.launched("web.service", text) // with a watch: several connections, one ssh
	if n := strings.Count(strings.Join(called(), " "), "ExitOnForwardFailure"); n != 1 {
		t.Errorf("%d tunnels for one verb", n)
	}
	w.want(w.fleetctl("ssh", "web", "true"), 0, "", "")
	if arguments := strings.Join(called(), "\n"); !strings.Contains(arguments, "ProxyCommand=ssh '-o' 'User=core'") || !strings.Contains(arguments, "'-W' '[%h]:%p' '--' 'gate'") {
		t.Errorf("ssh %s", arguments)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "fleetctl-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	w.want(w.fleetctl("list-machines", "--tunnel=down"), 1, "", "tunnel to down: ssh has ended: exit status 255")
	w.want(w.fleetctl("list-machines", "--tunnel=gate:x"), 2, "", `--tunnel: "gate:x" is not HOST[:PORT]`)
	w.want(w.fleetctl("list-machines", "--tunnel=:22"), 2, "", `":22" is not HOST[:PORT]`)
}

func TestHostPort(t *testing.T) {
	for given, want := range map[string]string{
		"gate": "gate 0", "gate:22": "gate 22", "10.1.1.1:2200": "10.1.1.1 2200", "[::1]:22": "::1 22", "::1": "::1 0", "[::1]": "::1 0",
	} {
		host, port, err := hostPort(given)
		if got := fmt.Sprint(host, " ", port); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", given, got, err, want)
		}
	}
	for _, given := range []string{"", ":", ":22", "gate:", "gate:-1", "gate:65536", "gate:ssh"} {
		if host, port, err := hostPort(given); err == nil {
			t.Errorf("%q: %s, %d; want an error", given, host, port)
		}
	}
}

func TestFdForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener := must(net.Listen("unix", path))(t)
	defer listener.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.Copy(conn, conn) // until the other side's end
			err = errors.Join(err, conn.Close())
		}
		ended <- err
	}()
	var out bytes.Buffer
	if err := forwardTo(path, strings.NewReader("there and back"), &out); err != nil || out.String() != "there and back" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := runFleetctl(t.Context(), "fd-forward", "/nowhere"); got.code != 1 || !strings.Contains(got.err, "forward to /nowhere") {
		t.Errorf("%+v", got)
	}
	if got := runFleetctl(t.Context(), "fd-forward"); got.code != 2 {
		t.Errorf("%+v", got)
	}
}
