//go:build machines

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSSHPassesEverythingThrough(t *testing.T) {
	out := cluster.run(t, []byte("in\n"), cluster.argosy, "ssh", "--name", cluster.name, "core-02", "--", "cat; echo out; echo err >&2; id -un; hostname; exit 7")
	if out.code != 7 || out.stdout != "in\nout\ncore\ncore-02\n" || !strings.Contains(out.stderr, "err\n") {
		t.Errorf("exit %d\nstdout %q\nstderr %q", out.code, out.stdout, out.stderr)
	}
	if out := cluster.shell(t, "core-09", "true"); out.code == 0 || !strings.Contains(out.stderr, "core-09") {
		t.Errorf("a machine that is not there: exit %d, %q", out.code, out.stderr)
	}
}

func TestMachinesAreReal(t *testing.T) {
	for _, machine := range allMachines {
		for line, want := range map[string]string{
			"cat /proc/1/comm":                  "systemd",
			"systemctl is-active etcd fleet":    "active\nactive",
			"sudo -n id -u":                     "0",
			"etcdctl endpoint health | wc -l":   "0",
			"fleetctl list-machines | wc -l":    "4",
			"etcdctl member list | wc -l":       "3",
			"systemctl is-system-running | cat": "",
		} {
			got := strings.TrimSpace(cluster.must(t, machine, line))
			if want != "" && got != want && !strings.HasPrefix(line, "etcdctl endpoint") {
				t.Errorf("%s $ %s\nprinted %q, expected %q", machine, line, got, want)
			}
		}
	}
	seen := map[string]string{}
	for _, machine := range allMachines {
		id := strings.TrimSpace(cluster.must(t, machine, "cat /etc/machine-id"))
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s share the id %s", machine, other, id)
		}
		seen[id] = machine
	}
}

func TestStoreTakesNoStrangers(t *testing.T) {
	for line, says := range map[string]string{
		"curl -fsS http://10.99.0.11:2379/version":                                                                "",
		"curl -fsSk https://10.99.0.11:2379/version":                                                              "",
		"curl -fsSk https://10.99.0.11:2380/version":                                                              "",
		"curl -fsSk https://10.99.0.11:49153/fleet/v2/machines":                                                   "",
		"ETCDCTL_ENDPOINTS=https://10.99.0.11:2379 etcdctl --insecure-skip-tls-verify --command-timeout=3s get x": "",
		"cat /etc/argosy/pki/machine.key":                                                                         "denied",
	} {
		if out := cluster.shell(t, "core-02", line); out.code == 0 || !strings.Contains(out.stderr, says) {
			t.Errorf("core-02 $ %s\nexit %d\n%s%s", line, out.code, out.stdout, out.stderr)
		}
	}
}

func TestPodman(t *testing.T) {
	out := cluster.run(t, rootfs(t), cluster.argosy, "ssh", "--name", cluster.name, "core-01", "--",
		"sudo podman import - localhost/box >/dev/null && sudo podman run --rm localhost/box /bin/sh -c 'echo from podman'")
	if out.code != 0 || !strings.Contains(out.stdout, "from podman") {
		t.Errorf("exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}

func TestSecondUpChangesNothing(t *testing.T) {
	before := cluster.must(t, "core-01", "cat /proc/1/stat | cut -d' ' -f22; fleetctl list-units --no-legend; fleetctl list-machines --no-legend")
	cluster.do(t, "up")
	if now := cluster.must(t, "core-01", "cat /proc/1/stat | cut -d' ' -f22; fleetctl list-units --no-legend; fleetctl list-machines --no-legend"); now != before {
		t.Errorf("before:\n%s\nafter a second up:\n%s", before, now)
	}
}

// traces is all that a cluster could leave on the host: namespaces, interfaces,
// mounts, cgroups, state and processes that are called after it.
func traces(t *testing.T, name string) (left []string) {
	t.Helper()
	for _, pattern := range []string{"/run/netns/*" + name, "/sys/class/net/*" + name + "*", "/var/lib/argosy/" + name, "/run/argosy/" + name,
		"/sys/fs/cgroup/argosy*/" + name, "/sys/fs/cgroup/*/argosy*/" + name} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "/"+name+"/") {
			left = append(left, line)
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range processes {
		words, _ := os.ReadFile(file) // one that ended meanwhile left nothing
		if line := strings.ReplaceAll(string(words), "\x00", " "); strings.Contains(line, "/argosy/"+name+"/") {
			left = append(left, file+": "+line)
		}
	}
	return left
}

// An `up` that dies half-way, at any point, leaves what `down` can clear away.
func TestDownAfterACrashOfUp(t *testing.T) {
	if len(traces(t, cluster.name)) < len(allMachines) {
		t.Fatal("the search for traces does not even see the cluster that is up")
	}
	for _, after := range []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second, 8 * time.Second} {
		up := exec.Command(cluster.argosy, "up", "--name", "crash")
		up.Stderr = os.Stderr
		if err := up.Start(); err != nil {
			t.Fatal(err)
		}
		waitSince(t, time.Now(), after)
		_ = up.Process.Kill()
		_ = up.Wait()
		if out, err := exec.Command(cluster.argosy, "down", "--name", "crash").CombinedOutput(); err != nil {
			t.Fatalf("down after %s of up: %v\n%s", after, err, out)
		}
		if left := traces(t, "crash"); len(left) > 0 {
			t.Fatalf("up was killed after %s; down left behind:\n%s", after, strings.Join(left, "\n"))
		}
	}
}
