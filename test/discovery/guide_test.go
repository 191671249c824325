//go:build store

package discovery

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const guide = "../../docs/guide/discovery.md"

var (
	consoles = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")
	typed    = regexp.MustCompile(`^(?:core@(core-\d+)|(you)) \$ (.*)$`)
	machines = regexp.MustCompile(`10\.0\.0\.(\d+)`)
)

// TestGuide types the commands of the guide, each on loopback addresses in place
// of the machines', and compares what they print.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.program("argosy")
	var last string // command
	var shows []string
	check := func() {
		if last != "" {
			w.types(last, shows)
		}
		last, shows = "", nil
	}
	for _, block := range consoles.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			line = w.here(strings.TrimSuffix(line, "\n"))
			m := typed.FindStringSubmatch(line)
			if m == nil {
				shows = append(shows, line)
				continue
			}
			check()
			if daemon, is := strings.CutSuffix(m[3], " &"); is {
				w.serves(m[1]+m[2], daemon)
			} else {
				last = m[3]
			}
		}
		check()
	}
}

// here puts loopback addresses in place of the machines'.
func (w *world) here(text string) string {
	text = strings.ReplaceAll(text, "127.0.0.1:2379", w.address(serviceAt)+":2379")
	return machines.ReplaceAllStringFunc(text, func(address string) string {
		n, _ := strconv.Atoi(machines.FindStringSubmatch(address)[1])
		return w.address(n)
	})
}

// program makes this test's binary a program of that name, whose first word says
// which command it is.
func (w *world) program(name string) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=$1; shift\nexport %[1]s\nexec %s \"$@\"\n", asCommand, self)
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) shell(command string) *exec.Cmd {
	c := exec.CommandContext(w.t.Context(), "/bin/sh", "-c", command)
	c.Dir = w.dir
	c.Env = []string{"PATH=" + w.dir + ":/usr/bin:/bin", "ETCDCTL_API=3", "ETCD_LOG_LEVEL=warn"}
	return c
}

// serves starts what goes on running. The service's own etcd is kept from ports
// that this machine may need.
func (w *world) serves(name, command string) {
	w.t.Helper()
	c := w.shell("exec " + command)
	if name == "you" {
		c.Env = append(c.Env, "ETCD_LISTEN_CLIENT_URLS="+w.client(serviceAt), "ETCD_ADVERTISE_CLIENT_URLS="+w.client(serviceAt),
			"ETCD_LISTEN_PEER_URLS="+w.peer(serviceAt), "ETCD_INITIAL_ADVERTISE_PEER_URLS="+w.peer(serviceAt),
			"ETCD_INITIAL_CLUSTER=discovery="+w.peer(serviceAt))
	}
	w.run(name, c)
}

// types runs a command until it shows what the page does.
func (w *world) types(command string, shows []string) {
	w.t.Helper()
	want := strings.ReplaceAll(regexp.QuoteMeta(strings.Join(shows, "\n")), `\.\.\.`, ".*")
	pattern := regexp.MustCompile("^" + want + "\n?$")
	w.until(command, func() error {
		out, err := w.shell(command).CombinedOutput()
		if err != nil || !pattern.Match(out) {
			return fmt.Errorf("it shows %s (%v), want %s", out, err, strings.Join(shows, "\n"))
		}
		return nil
	})
}
