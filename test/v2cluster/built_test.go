//go:build store

package v2cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The programs of testdata/programs are built here, each in a module of its own with the
// versions that it was written with.

// built builds the packages of a program's module and returns their folder.
func built(t *testing.T, module string, packages ...string) string {
	t.Helper()
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", folder + "/"}, packages...)...)
	command.Dir = filepath.Join("testdata", "programs", module)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", module, err, out)
	}
	return folder
}

// says runs a program and tells what it printed and how it ended.
func says(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
	return fmt.Sprintf("$ %s\n%s%v\n", strings.Join(arguments[1:], " "), out, err)
}

// runs runs a program until the test ends, or until it is stopped.
func runs(t *testing.T, program string, arguments ...string) (stop func()) {
	t.Helper()
	command := exec.Command(program, arguments...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = command.Process.Kill()
		_ = command.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s said\n%s", program, text)
		}
		_ = log.Close()
	}
	t.Cleanup(stop)
	return stop
}

// within asks until it is so.
func within(t *testing.T, what string, so func() (last string, ok bool)) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		last, ok := so()
		if ok {
			return last
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, last)
		}
	}
}

func TestLocksmith(t *testing.T) {
	program := filepath.Join(built(t, "locksmith", "."), "locksmith")
	both(t, func(t *testing.T, members []*member) string {
		var told strings.Builder
		for i, line := range []string{"one status", "one lock", "one status", "one lock", "two lock", "two unlock", "two 2", "two lock", "one status",
			"one unlock", "two 1", "two unlock", "two status"} {
			id, verb, _ := strings.Cut(line, " ")
			for _, group := range []string{"", "a group/of"} {
				told.WriteString(says(t, program, members[i%2].client(), group, id, verb))
			}
		}
		return told.String()
	})
}

func TestFlannel(t *testing.T) {
	program := filepath.Join(built(t, "flannel", "."), "flannel")
	both(t, func(t *testing.T, members []*member) string {
		web := newWeb()
		defer web.CloseIdleConnections()
		if err := put(t.Context(), web, members[0], "coreos.com/network/config", `{"Network":"10.1.0.0/16","Backend":{"Type":"udp"}}`); err != nil {
			t.Fatal(err)
		}
		return says(t, program, members[1].client(), "10.0.0.1", "10.0.0.2", "10.0.0.3")
	})
}

func TestGoEtcd(t *testing.T) {
	program := filepath.Join(built(t, "go-etcd", "."), "go-etcd")
	both(t, func(t *testing.T, members []*member) string {
		return strings.ReplaceAll(says(t, program, members[0].client(), members[1].client()), members[1].client(), "")
	})
}

// TestConfd writes a file from keys once, and again when one changes.
func TestConfd(t *testing.T) {
	program := filepath.Join(built(t, "confd", "github.com/kelseyhightower/confd"), "confd")
	both(t, func(t *testing.T, members []*member) string {
		folder := t.TempDir()
		made := filepath.Join(folder, "made")
		for name, text := range map[string]string{
			"conf.d/web.toml":    fmt.Sprintf("[template]\nsrc = \"web.tmpl\"\ndest = %q\nkeys = [\"/web\"]\n", made),
			"templates/web.tmpl": "{{range gets \"/web/upstream/*\"}}server {{base .Key}} {{.Value}}\n{{end}}title {{getv \"/web/title\"}}\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		web := newWeb()
		defer web.CloseIdleConnections()
		set := func(key, value string) {
			if err := put(t.Context(), web, members[0], "web/"+key, value); err != nil {
				t.Fatal(err)
			}
		}
		set("upstream/a", "10.0.0.1:80")
		set("upstream/b", "10.0.0.2:80")
		set("title", "first")
		options := []string{"-confdir", folder, "-backend", "etcd", "-node", members[0].client(), "-node", members[1].client(), "-log-level", "error"}
		if out := says(t, program, append(options, "-onetime")...); !strings.HasSuffix(out, "<nil>\n") {
			t.Fatal(out)
		}
		once, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		defer runs(t, program, append(options, "-watch")...)()
		return string(once) + within(t, "confd's file", func() (string, bool) {
			set("upstream/c", "10.0.0.3:80") // again: confd may not watch yet
			text, _ := os.ReadFile(made)
			return string(text), strings.Contains(string(text), "server c")
		})
	})
}

// TestVulcand puts a server behind a proxy with vctl, and asks the proxy.
func TestVulcand(t *testing.T) {
	folder := built(t, "vulcand", "github.com/vulcand/vulcand", "github.com/vulcand/vulcand/vctl")
	both(t, func(t *testing.T, members []*member) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "answered "+r.URL.Path)
		}))
		defer server.Close()
		host := members[0].host
		listener, err := net.Listen("tcp", host+":0") // a port that is free now
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		_ = listener.Close()
		defer runs(t, filepath.Join(folder, "vulcand"), "-etcd="+members[0].client(), "-etcd="+members[1].client(), "-etcdKey=/vulcand",
			"-interface="+host, "-port="+port, "-apiInterface="+host, "-apiPort=8182", "-logSeverity=WARN")()
		api := "http://" + host + ":8182"
		get := func(url string) (string, bool) {
			answer, err := http.Get(url)
			if err != nil {
				return err.Error(), false
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			return string(text), answer.StatusCode == http.StatusOK
		}
		within(t, "vulcand's own API", func() (string, bool) { return get(api + "/v2/status") })
		vctl := filepath.Join(folder, "vctl")
		var told strings.Builder
		for _, line := range []string{"backend upsert -id b", "server upsert -b b -id s -url " + server.URL, "frontend upsert -id f -b b -route Path(\"/hello\")"} {
			told.WriteString(says(t, vctl, append([]string{"--vulcan=" + api}, strings.Fields(line)...)...))
		}
		told.WriteString(within(t, "the proxy", func() (string, bool) { return get("http://" + host + ":" + port + "/hello") }))
		// What vulcand left in the store, and that it follows what others change there.
		text, err := ask(t.Context(), http.DefaultClient, http.MethodGet, members[1].client()+"/v2/keys/vulcand?recursive=true&sorted=true", url.Values{})
		var kept struct{ Node json.RawMessage }
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "\n%s\n", kept.Node)
		if _, err := ask(t.Context(), http.DefaultClient, http.MethodDelete, members[1].client()+"/v2/keys/vulcand/frontends/f?recursive=true", nil); err != nil {
			t.Fatal(err)
		}
		within(t, "the proxy, after its frontend was removed", func() (string, bool) {
			text, ok := get("http://" + host + ":" + port + "/hello")
			return text, !ok
		})
		return strings.NewReplacer(server.URL, "SERVER", host, "HOST", port, "PORT").Replace(told.String())
	})
}
