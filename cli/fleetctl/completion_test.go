package fleetctl

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	files(t, "hello.service", "web@.service", "late.timer")
	if err := os.WriteFile("README.md", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "web@"), 0, "Unit web@.service inactive\n", "")
	w.want(w.fleetctl("start", "web@1", "hello", "--no-block"), 0, "Triggered unit web@1.service start\nTriggered unit hello.service start\n", "")
	w.want(w.fleetctl("restart", "web@1", "hello"), 0,
		"Unit web@1.service launched on 491586a6.../10.10.1.2\nUnit hello.service launched on 148a18ff.../10.10.1.1\n", "")
	w.want(w.fleetctl("label", "core-02", "region=eu"), 0, "No unit moves.\nMachine core-02 labelled: region=eu\n", "")
	for _, c := range []struct{ typed, want string }{
		{"status +", "hello.service\tactive web@1.service\tactive"},
		{"status w+", "web@1.service\tactive"},
		{"status hello.service +", "web@1.service\tactive"},
		{"cat w+", "web@.service\tinactive web@1.service\tactive"},
		{"cat hello.service +", ""},
		{"destroy x+", ""},
		{"start l+", "late.timer\ta file"},
		{"start ./l+", "./late.timer\ta file"},
		{"start web@1.service w+", "web@.service\ta file"},
		{"start nowhere/+", ""},
		{"logs --machine core-0+", "core-01\t148a18ff.../10.10.1.1 core-02\t491586a6.../10.10.1.2 core-03\tc9de9451.../10.10.1.3"},
		{"label core-0+", "core-01\t148a18ff.../10.10.1.1 core-02\t491586a6.../10.10.1.2 core-03\tc9de9451.../10.10.1.3"},
		{"label core-02 r+", "region=\teu region-\teu"},
		{"label core-01 +", ""},
		{"why w+", "web@1.service\tactive"},
		{"list-units -o +", "table wide json yaml"},
		{"list-machines --fields machine,+", "machine,ip machine,metadata machine,hostname machine,member machine,version machine,agent machine,away"},
		{"--driver +", "API"},
	} {
		args := append([]string{"__complete"}, strings.Split(strings.ReplaceAll(c.typed, "+", ""), " ")...)
		args = append(args[:1:1], append([]string{"--endpoint", "unix://" + w.socket}, args[1:]...)...)
		w.eventually(func() error { // a machine that is busy may need more than the second there is
			got := runFleetctl(t.Context(), args...)
			offered, _, _ := strings.Cut(got.out, ":")
			if want := strings.ReplaceAll(c.want, " ", "\n"); strings.TrimSpace(strings.ReplaceAll(offered, "a file", "a\nfile")) != want || got.code != 0 {
				return fmt.Errorf("%s offers\n%swant\n%s", c.typed, got.out, want)
			}
			return nil
		})
	}
}

// TestCompletionOfManyNames offers a bounded choice, and only what begins as typed.
func TestCompletionOfManyNames(t *testing.T) {
	w := newWorld(t)
	files(t)
	for i := range 2000 {
		name := cluster.UnitName(fmt.Sprintf("many-%04d.service", i))
		if _, err := w.store.PutUnit(t.Context(), cluster.Unit{Name: name, Hash: cluster.HashOf(text), Desired: cluster.Inactive, Generation: 1}, text); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually(func() error { // the view has them all
		if got := w.fleetctl("cat", "many-1999"); got.code != 0 || got.out != text {
			return fmt.Errorf("the last unit of many: %+v", got)
		}
		return nil
	})
	for typed, want := range map[string]int{"": offered, "many-": offered, "many-19": 100, "many-199": 10, "many-2": 0} {
		w.eventually(func() error {
			got := w.fleetctl("__complete", "cat", typed)
			if n := strings.Count(got.out, "many-"); n != want || got.code != 0 {
				return fmt.Errorf("%q: %d names, want %d: %+v", typed, n, want, got)
			}
			return nil
		})
	}
}

// TestCompletionDoesNotWait for an API that takes its time.
func TestCompletionDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mute.sock")
	mute := must(net.Listen("unix", path))(t)
	defer mute.Close()
	began := time.Now()
	got := runFleetctl(t.Context(), "__complete", "--endpoint", "unix://"+path, "status", "")
	if got.code != 0 || got.out != ":4\n" || time.Since(began) < unhurried {
		t.Errorf("after %s: %+v", time.Since(began), got)
	}
}

// TestCompletionInBash types TAB at a bash that has read our script.
func TestCompletionInBash(t *testing.T) {
	w := newWorld(t)
	files(t, "hello.service", "web@.service")
	w.want(w.fleetctl("submit", "hello", "web@"), 0, "Unit hello.service inactive\nUnit web@.service inactive\n", "")
	beside := filepath.Join(t.TempDir(), "fleetctl")
	self, err := os.Executable()
	if err = errors.Join(err, os.Symlink(self, beside)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(beside)+":"+os.Getenv("PATH"))
	t.Setenv("FLEETCTL_ENDPOINT", "unix://"+w.socket)
	for typed, want := range map[string]string{
		"fleetctl cat h":                    "hello.service",
		"fleetctl cat ":                     "hello.service web@.service",
		"fleetctl list-machines --fi":       "--fields",
		"fleetctl journal --machine core-0": "core-01 core-02 core-03",
		"fleetctl desti":                    "",
		"fleetctl dest":                     "destroy",
	} {
		w.eventually(func() error {
			out, err := exec.Command("bash", "--norc", "-c", bashTyping, "bash", typed).Output()
			if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
				return fmt.Errorf("%s<TAB> offers %q, want %q (%v)", typed, got, want, err)
			}
			return nil
		})
	}
}

// bashTyping does what bash does at a TAB behind the line in $1: it calls the
// function that the script has registered, and prints the words it leaves. The
// two functions stand for those of the package bash-completion that it calls.
const bashTyping = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
__ltrim_colon_completions() { :; }
source <(fleetctl completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
[[ $1 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
COMPREPLY=()
__start_fleetctl
for word in "${COMPREPLY[@]}"; do echo "${word%% *}"; done`

// TestCompletionIsSilent where nobody answers: the user is in the midst of typing.
func TestCompletionIsSilent(t *testing.T) {
	for _, endpoint := range []string{"unix:///nowhere.sock", "ftp://x"} {
		for _, verb := range []string{"status", "journal", "destroy"} {
			got := runFleetctl(t.Context(), "__complete", "--endpoint", endpoint, verb, "")
			if got.code != 0 || got.out != ":4\n" || strings.Contains(got.err, "nowhere") {
				t.Errorf("%s %s: %+v", endpoint, verb, got)
			}
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Setenv("FLEETCTL_ENDPOINT", "ftp://x") // a script asks nobody
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := runFleetctl(t.Context(), "completion", shell); got.code != 0 || !strings.Contains(got.out, "fleetctl") {
			t.Errorf("%s: exit %d, %s", shell, got.code, got.err)
		}
	}
}
