//go:build machines

// Package e2e tests Argosy as its users meet it: the real binary on real
// machines with a real systemd, etcd, Docker and Podman. It needs root; `make
// machines` runs it.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// local is the cluster that all tests of this package share. Each test leaves
// it whole: three machines, joined, without units of its own.
type local struct {
	argosy string // path of the binary
	name   string
}

var cluster = local{argosy: os.Getenv("ARGOSY"), name: cmp.Or(os.Getenv("ARGOSY_NAME"), "e2e")}

func TestMain(m *testing.M) {
	if cluster.argosy == "" {
		fmt.Fprintln(os.Stderr, "set ARGOSY to the binary that is to be tested, or run `make machines`")
		os.Exit(2)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	up := exec.Command(cluster.argosy, "up", "--name", cluster.name)
	up.Stdout, up.Stderr = os.Stdout, os.Stderr
	defer func() {
		down := exec.Command(cluster.argosy, "down", "--name", cluster.name)
		down.Stdout, down.Stderr = os.Stdout, os.Stderr
		if err := down.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "argosy down:", err)
		}
	}()
	if err := up.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "argosy up:", err)
		return 1
	}
	return m.Run()
}

// outcome is what a command did.
type outcome struct {
	stdout, stderr string
	code           int
}

// patience bounds every single command.
const patience = 4 * time.Minute

// shell types a line at a machine's prompt as core, or at the host's as "you".
func (c local) shell(t *testing.T, machine, line string) outcome {
	t.Helper()
	if machine == "you" {
		return c.run(t, nil, "bash", "-c", line)
	}
	return c.run(t, nil, c.argosy, "ssh", "--name", c.name, machine, "--", line)
}

// must is shell for a line that has to succeed; it returns what it printed.
func (c local) must(t *testing.T, machine, line string) string {
	t.Helper()
	out := c.shell(t, machine, line)
	if out.code != 0 {
		t.Fatalf("%s $ %s\nexit %d\n%s%s", machine, line, out.code, out.stdout, out.stderr)
	}
	return out.stdout
}

// asMember is etcdctl as this member itself, who may do everything.
const asMember = "sudo etcdctl --endpoints=https://$(hostname):2379 --cacert=/etc/argosy/pki/ca.crt --cert=/etc/argosy/pki/machine.crt --key=/etc/argosy/pki/machine.key "

// do is an argosy command on the host that has to succeed.
func (c local) do(t *testing.T, args ...string) string {
	t.Helper()
	out := c.run(t, nil, c.argosy, append(args, "--name", c.name)...)
	if out.code != 0 {
		t.Fatalf("argosy %s\nexit %d\n%s%s", strings.Join(args, " "), out.code, out.stdout, out.stderr)
	}
	return out.stdout
}

// write puts a file on a machine.
func (c local) write(t *testing.T, machine, path, text string) {
	t.Helper()
	owner := ""
	if strings.HasPrefix(path, "/home/core/") {
		owner = " && sudo chown core:core " + path
	}
	out := c.run(t, []byte(text), c.argosy, "ssh", "--name", c.name, machine, "--", "sudo mkdir -p $(dirname "+path+"); sudo tee "+path+" >/dev/null"+owner)
	if out.code != 0 {
		t.Fatalf("write %s on %s: exit %d\n%s", path, machine, out.code, out.stderr)
	}
}

func (c local) run(t *testing.T, stdin []byte, name string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // a cleanup runs commands too
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// "argosy" in a guide is the binary under test and the cluster under test.
	cmd.Env = append(os.Environ(), "PATH="+c.argosy[:strings.LastIndexByte(c.argosy, '/')]+":"+os.Getenv("PATH"), "ARGOSY_NAME="+c.name)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// eventually waits until check passes, and fails with its last word.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.After(within)
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %s: %v", within, err)
		case <-again.C:
		}
	}
}
