package fleetctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/contexts"
	"argosy/edge/join"
	"argosy/role/registrar"
)

// openDoor lets people log in.
func (w *world) openDoor() {
	w.Helper()
	desk := authority.Folder(w.keys)
	file := filepath.Join(w.keys, string(worldIDs[0]))
	secrets := must(authority.LoadJoin(desk.BundleFile(), file+".crt", file+".key"))(w.T)
	l := must(net.Listen("tcp", "127.0.0.1:0"))(w.T)
	w.door = l.Addr().String()
	office := &registrar.Office{Register: w.store, Members: oneMember{}, Desk: desk, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	w.background(func(ctx context.Context) error { return join.Serve(ctx, l, secrets, office) })
}

// oneMember is the store's membership.
type oneMember struct{}

func (oneMember) Members(context.Context) ([]string, error) {
	return []string{"https://127.0.0.1:2379"}, nil
}
func (oneMember) Remove(context.Context, uint64) error                        { return nil }
func (oneMember) Add(context.Context, string, string) (uint64, string, error) { return 0, "", nil }

// argosy runs one of argosy's commands on the member's socket, unless it is told
// otherwise.
func (w *world) argosy(args ...string) said {
	w.Helper()
	root := &cobra.Command{Use: "argosy", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(User(), Audit())
	var out, err bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&err)
	root.SetArgs(append(args, "--endpoint", "unix://"+w.socket))
	fault := root.ExecuteContext(w.Context())
	if fault != nil {
		fmt.Fprintln(&err, fault)
	}
	return said{out: out.String(), err: err.String(), code: cli.Code(fault)}
}

// noContexts gives the test a home without contexts.
func (w *world) noContexts() string {
	w.Helper()
	home := w.TempDir()
	w.Setenv("XDG_CONFIG_HOME", home)
	return home
}

// logIn types a line that 'argosy user' has printed.
func (w *world) logIn(line string, more ...string) said {
	_, port, _ := net.SplitHostPort(w.machines[0].API)
	return runFleetctl(w.Context(), append(append(strings.Fields(line)[1:], "--api-port", port), more...)...)
}

var loginLine = regexp.MustCompile(`^fleetctl login \S+@127\.0\.0\.1:\d+ --token [a-z0-9]+\.[A-Z0-9]+ --ca-hash sha256:[0-9a-f]{64}\n$`)

func TestPeopleComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.openDoor()
	home := w.noContexts()
	files(t, "web.service", "db.service")
	added := w.argosy("user", "add", "wendy@example.org", "--role", "operator", "--units", "web*")
	if added.code != 0 || !loginLine.MatchString(added.out) || !strings.Contains(added.err, "wendy@example.org is now operator of units called web*.\nThis logs them in, once, until ") {
		t.Fatalf("%+v", added)
	}
	if got := w.logIn(added.out, "--context", "prod"); got.code != 0 || !strings.HasPrefix(got.out, "Logged in as wendy@example.org: context prod, renewed by use until 20") {
		t.Fatalf("%+v", got)
	}
	w.want(w.logIn(added.out), 1, "", "the token is refused: it was used as often as it may be")
	key := filepath.Join(home, "argosy", "contexts", "prod", "person.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	fleetctl := func(args ...string) said { return runFleetctl(t.Context(), args...) }
	w.heardOf("list-units")
	w.want(fleetctl("start", "web"), 0, "Unit web.service launched on 148a18ff.../10.10.1.1\n", "")
	w.want(fleetctl("start", "db"), 1, "", "wendy@example.org may change units called web*, and not db.service; an admin may let them: argosy user role wendy@example.org operator --units PATTERN,...")

	w.want(w.argosy("user", "role", "wendy@example.org", "viewer"), 0, "wendy@example.org is now viewer\n", "")
	w.want(w.argosy("user", "role", "wendy@example.org", "viewer"), 0, "wendy@example.org was already viewer\n", "")
	w.eventually(func() error {
		if got := fleetctl("stop", "web"); got.code != 1 || !strings.Contains(got.err, "wendy@example.org is a viewer and may not change units") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if got := w.argosy("user", "list", "--no-legend", "--fields", "name,role,units,revoked"); got.out != "wendy@example.org\tviewer\t-\t-\n" {
		t.Errorf("%+v", got)
	}
	token := w.argosy("user", "token", "wendy@example.org", "--ttl", "1m")
	w.want(w.argosy("user", "revoke", "wendy@example.org"), 0, "wendy@example.org is out: no certificate or token that they have is taken any more\n", "")
	w.want(w.logIn(token.out), 1, "", "the token is refused: it is not known here")
	w.eventually(func() error {
		if got := fleetctl("list-units"); got.code != 1 || !strings.Contains(got.err, "the certificate of person wendy@example.org is revoked; an admin can give another one: argosy user token wendy@example.org") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if got := w.logIn(w.argosy("user", "token", "wendy@example.org").out, "--context", "prod"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	w.heardOf("list-units")
	w.want(w.argosy("user", "remove", "wendy@example.org"), 0, "wendy@example.org is removed\n", "")
	w.want(w.argosy("user", "list", "--no-legend"), 0, "", "")
	w.wasRecorded()
}

// heardOf waits until the API knows who asks.
func (w *world) heardOf(args ...string) {
	w.Helper()
	w.eventually(func() error {
		if got := runFleetctl(w.Context(), args...); got.code != 0 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
}

// wasRecorded looks at the audit of TestPeopleComeAndGo, both ways.
func (w *world) wasRecorded() {
	w.Helper()
	lines := strings.Split(strings.TrimSpace(w.argosy("audit", "--json").out), "\n")
	seen, last := map[string]int{}, int64(0)
	for _, line := range lines {
		var e access.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Revision <= last {
			w.Fatalf("%s behind revision %d: %v", line, last, err)
		}
		last = e.Revision
		seen[fmt.Sprintf("%s %s %s", strings.Split(e.By, " on ")[0], e.Outcome, e.Did)]++
	}
	who := "user " + userHere(w.T)
	for _, want := range []string{
		who + " done set person wendy@example.org", who + " done invite person wendy@example.org", "wendy@example.org done join",
		"wendy@example.org done set unit web.service", "wendy@example.org refused PUT /fleet/v2/units/db.service",
		"wendy@example.org refused GET /fleet/v2/states", who + " done revoke person wendy@example.org", who + " done remove person wendy@example.org",
	} {
		if seen[want] == 0 {
			w.Errorf("%q is not recorded:\n%s", want, strings.Join(lines, "\n"))
		}
	}
	w.want(w.argosy("audit", "--json", "--after", fmt.Sprint(last)), 0, "", "")
	w.want(w.argosy("audit", "--json", "--since", "2999-01-31"), 0, "", "")
	for since, want := range map[string]int{"1h": len(lines), "2020-01-31": len(lines), "2020-01-31T12:00:00Z": len(lines)} {
		if got := strings.Count(w.argosy("audit", "--json", "--since", since).out, "\n"); got != want {
			w.Errorf("since %s: %d entries, want %d", since, got, want)
		}
	}
	if got := w.argosy("audit", "--json", "-n", "2").out; got != strings.Join(lines[len(lines)-2:], "\n")+"\n" {
		w.Errorf("the last two are %s", got)
	}
	if got := w.argosy("audit", "-n", "1"); got.code != 0 || !strings.HasPrefix(got.out, "WHEN\t\t\tBY") || !strings.Contains(got.out, "remove person wendy@example.org (viewer)\n") || strings.Count(got.out, "\n") != 2 {
		w.Errorf("%+v", got)
	}
}

func userHere(t *testing.T) string {
	t.Helper()
	w := newWorld(t)
	w.want(w.typing("x", "secret", "set", "a"), 0, "Secret a set: version 1\n", "")
	name, _, _ := strings.Cut(strings.TrimPrefix(me(t, w), "user "), " on ")
	return name
}

func TestLoginRefuses(t *testing.T) {
	w := newWorld(t)
	w.openDoor()
	home := w.noContexts()
	added := w.argosy("user", "add", "otto")
	pin := "sha256:" + strings.Repeat("0", 64)
	fleetctl := func(args ...string) said { return runFleetctl(t.Context(), args...) }
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"login"}, 2, "one NAME@MEMBER is expected, 0 were given"},
		{[]string{"login", "otto"}, 2, `"otto" is no NAME@MEMBER[:PORT]`},
		{[]string{"login", "otto@"}, 2, `"otto@" is no NAME@MEMBER[:PORT]`},
		{[]string{"login", "Otto@core-01"}, 2, `"Otto" is no person's name`},
		{[]string{"login", "otto@core-01:0"}, 2, `"core-01:0" is no HOST:PORT`},
		{[]string{"login", "otto@" + w.door}, 2, "expected ID.SECRET as `argosy token create` prints it"},
		{[]string{"login", "otto@" + w.door, "--token", "a.b", "--token-file", "x"}, 2, "--token and --token-file: give one of them"},
		{[]string{"login", "otto@" + w.door, "--token-file", "/none"}, 2, "no such file"},
		{[]string{"login", "otto@" + w.door, "--token", "a.b"}, 2, `--ca-hash: "" is no hash of an authority`},
		{[]string{"login", "otto@" + w.door, "--token", "a.b", "--ca-hash", pin, "--context", "../x"}, 2, `"../x" is no context's name`},
		{[]string{"login", "otto@" + w.door, "--token", "a.b", "--ca-hash", pin}, 1, "does not know the authority " + pin},
		{[]string{"login", "otto@" + w.door, "--token", "a.b", "--ca-hash", w.ours.Pin()}, 1, "the token is refused: it is not known here"},
	} {
		if got := fleetctl(c.args...); got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%q: %+v, want %d %q", c.args, got, c.code, c.says)
		}
	}
	if got := w.logIn(strings.Replace(added.out, "otto@", "eve@", 1)); got.code != 1 || !strings.Contains(got.err, `it is for "otto", not for "eve"`) {
		t.Errorf("%+v", got)
	}
	if left, err := filepath.Glob(filepath.Join(home, "argosy", "contexts", "*")); err != nil || len(left) > 0 {
		t.Errorf("refused logins left %v, %v", left, err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"user", "add", "otto"}, 1, "otto is there already: viewer; argosy user role otto ROLE, or argosy user token otto"},
		{[]string{"user", "add", "Eve"}, 2, `"Eve" is no person's name`},
		{[]string{"user", "add"}, 2, "one name is expected, 0 words were given"},
		{[]string{"user", "add", "eve", "--role", "king"}, 2, `"king" is no role: expected admin, operator or viewer`},
		{[]string{"user", "add", "eve", "--units", "web*"}, 1, "patterns of units are for operators"},
		{[]string{"user", "add", "eve", "--ttl", "soon"}, 2, "invalid argument"},
		{[]string{"user", "token", "otto", "--ttl", "10ms"}, 2, "--ttl is 10ms: expected 1s or more"},
		{[]string{"user", "token", "otto", "--ttl", "999h"}, 1, "expected 1 to 2592000"},
		{[]string{"user", "role", "otto"}, 2, "a name and a role is expected, 1 words were given"},
		{[]string{"user", "role", "eve", "viewer"}, 3, "there is nobody called eve"},
		{[]string{"user", "revoke", "eve"}, 3, "there is nobody called eve"},
		{[]string{"user", "remove", "eve"}, 3, "there is nobody called eve"},
		{[]string{"user", "sing"}, 2, `unknown command "sing"`},
		{[]string{"audit", "-n", "0"}, 2, "--lines is 0: expected 1 to 10000; --json without it prints all"},
		{[]string{"audit", "--since", "-2h"}, 2, `--since is "-2h": expected how long ago`},
		{[]string{"audit", "--since", "soon"}, 2, `--since is "soon": expected how long ago`},
		{[]string{"audit", "--after", "-1"}, 1, "expected a number from 0"},
	} {
		if got := w.argosy(c.args...); got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%q: %+v, want %d %q", c.args, got, c.code, c.says)
		}
	}
}

// TestRenewal: a command renews a certificate of which a third is left, and goes on
// where that does not work.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	w.openDoor()
	w.noContexts()
	if got := w.logIn(w.argosy("user", "add", "otto", "--role", "operator").out, "--context", "prod"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	folder := must(contexts.Default())(t)
	context := must(folder.Load("prod"))(t)
	until := must(authority.Folder(context.Folder).Held("person"))(t).Until
	// renewed has a command run when so much is left, and tells what it warned of.
	renewed := func(left time.Duration, again bool) (bool, string) {
		t.Helper()
		if again {
			_ = os.Remove(filepath.Join(context.Folder, "tried"))
		}
		before := must(os.ReadFile(context.CertFile))(t)
		var warned bytes.Buffer
		(&session{err: &warned}).renew(t.Context(), must(folder.Load("prod"))(t), until.Add(-left))
		return !bytes.Equal(before, must(os.ReadFile(context.CertFile))(t)), warned.String()
	}
	const third = access.PersonLife / 3
	for _, c := range []struct {
		left  time.Duration
		again bool
		want  bool
	}{
		{third + time.Hour, true, false}, {third - time.Hour, true, true}, {third - time.Hour, false, false}, {-time.Hour, true, false},
	} {
		if got, warned := renewed(c.left, c.again); got != c.want || warned != "" {
			t.Errorf("%s before its end it is renewed: %v, %q", c.left, got, warned)
		}
	}
	w.heardOf("list-units") // with the one that was renewed

	// One whose doors are closed says so when it ends soon.
	if err := os.WriteFile(filepath.Join(context.Folder, "doors"), []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, warned := renewed(third/2, true); got || warned != "" {
		t.Errorf("%v, %q", got, warned)
	}
	for _, c := range []struct {
		again bool
		says  string
	}{{true, "and was not renewed: ask 127.0.0.1:1 "}, {false, "and was not renewed: it was tried less than 1h0m0s ago"}} {
		if got, warned := renewed(time.Hour, c.again); got || !strings.HasPrefix(warned, "WARNING: the certificate of person otto ends at 20") || !strings.Contains(warned, c.says) {
			t.Errorf("%v, %q, want %q", got, warned, c.says)
		}
	}
	// The office has the last word on one who is revoked.
	if err := os.WriteFile(filepath.Join(context.Folder, "doors"), []byte(w.door+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(w.argosy("user", "revoke", "otto"), 0, "otto is out: no certificate or token that they have is taken any more\n", "")
	if got, warned := renewed(time.Hour, true); got || !strings.Contains(warned, "the certificates of person otto are revoked") {
		t.Errorf("%v, %q", got, warned)
	}
}
