package fleetctl

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const asking = text + "\n[X-Fleet]\nSecret=key:db-password\n"

// setDates puts a fixed word for the times in a listing.
func (s said) setDates() said {
	s.out = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(s.out, "WHEN")
	return s
}

func me(t *testing.T, w *world) string {
	t.Helper()
	out := w.fleetctl("secret", "list", "--no-legend", "--fields", "by").out
	if !strings.HasPrefix(out, "user ") {
		t.Fatalf("by %q", out)
	}
	return strings.TrimSpace(out)
}

func TestSecrets(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.want(w.fleetctl("secret", "list"), 0, "NAME\tVERSION\tSET\tBY\tUNITS\n", "")
	w.want(w.typing("hunter2", "secret", "set", "db-password"), 0, "Secret db-password set: version 1\n", "")
	w.launched("web@1.service", asking)
	w.launched("web@2.service", asking)
	w.want(w.typing("hunter2", "secret", "set", "db-password"), 0, "Secret db-password was so already: version 1\n", "")
	w.want(w.typing("hunter3\n", "secret", "set", "db-password"), 0, "Secret db-password set: version 2\n",
		"WARNING: the value ends in a line break, which is part of it")
	w.want(w.typing("hunter4", "secret", "set", "db-password"), 0, "Secret db-password set: version 3\n",
		"2 units keep what they were given until started anew: web@1.service, web@2.service\nRestart them one after another with --restart\n")
	by := me(t, w)
	w.want(w.fleetctl("secret", "list").setDates(), 0,
		"NAME\t\tVERSION\tSET\t\t\tBY\t\t\tUNITS\ndb-password\t3\tWHEN\t"+by+"\tweb@1.service=1, web@2.service=1\n", "")
	w.want(w.fleetctl("secret", "set", "db-password", "--from", "3", "--restart"), 0,
		"Secret db-password was so already: version 3\nUnit web@1.service launched on 491586a6.../10.10.1.2\nUnit web@2.service launched on 491586a6.../10.10.1.2\n", "")
	w.want(w.fleetctl("secret", "list", "--no-legend", "--fields", "name,kept,units,limit"), 0, "db-password\t1 2 3\tweb@1.service=3, web@2.service=3\t-\n", "")
	w.want(w.fleetctl("secret", "set", "db-password", "--from", "1"), 0, "Secret db-password set: version 4\n", "2 units keep")
	w.want(w.fleetctl("secret", "rm", "db-password", "none"), 3, "", "the secret db-password is used by web@1.service, web@2.service; unload them first")
	w.want(w.fleetctl("unload", "web@1", "web@2"), 0, "Unit web@1.service inactive\nUnit web@2.service inactive\n", "Successfully")
	w.want(w.fleetctl("secret", "rm", "db-password"), 0, "Secret db-password removed\n", "")
	w.want(w.fleetctl("start", "web@1"), 3, "", "web@1.service asks for the secret db-password, which is not there; fleetctl secret set db-password < FILE")
	for _, args := range [][]string{{"cat", "web@1"}, {"secret", "list", "-o", "json"}, {"list-units"}} {
		if got := w.fleetctl(args...); strings.Contains(got.out+got.err, "hunter") {
			t.Errorf("%v tells the value: %+v", args, got)
		}
	}
}

// TestRotationStopsAtAFailure: the rest keeps what it has, and is named.
func TestRotationStopsAtAFailure(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.want(w.typing("hunter2", "secret", "set", "db-password"), 0, "Secret db-password set: version 1\n", "")
	if err := os.WriteFile("fail@1.service", []byte(asking), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := w.fleetctl("start", "fail@1"); got.code != 1 {
		t.Fatalf("%+v", got)
	}
	w.launched("web@1.service", asking)
	w.launched("web@2.service", asking)
	got := w.typing("wrong", "secret", "set", "db-password", "--restart")
	if got.code != 1 || !strings.Contains(got.err, "Unit fail@1.service failed") || !strings.Contains(got.err, "Not restarted: [web@1.service web@2.service]") {
		t.Errorf("%+v", got)
	}
	w.want(w.fleetctl("secret", "list", "--no-legend", "--fields", "units"), 0, "fail@1.service=2, web@1.service=1, web@2.service=1\n", "")
}

// TestRotationGoesOn where one was cut short, with what does not run well first, and
// leaves alone what runs with the version.
func TestRotationGoesOn(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.want(w.typing("hunter2", "secret", "set", "db-password"), 0, "Secret db-password set: version 1\n", "")
	if err := os.WriteFile("fail@1.service", []byte(asking), 0o644); err != nil {
		t.Fatal(err)
	}
	w.fleetctl("start", "fail@1")
	for _, unit := range []string{"web@1.service", "web@2.service", "web@3.service"} {
		w.launched(unit, asking)
	}
	const back = "The same command goes on from here; or back: fleetctl secret set db-password --from 1 --restart\n"
	for _, says := range []string{"set", "was so already"} {
		got := w.typing("hunter3", "secret", "set", "db-password", "--restart")
		if got.code != 1 || !strings.HasPrefix(got.out, "Secret db-password "+says+": version 2\nUnit fail@1.service launched on ") || !strings.Contains(got.err, "Unit fail@1.service failed") || !strings.HasSuffix(got.err, back) {
			t.Errorf("%s: %+v", says, got)
		}
	}
	w.want(w.fleetctl("secret", "list", "--no-legend", "--fields", "units"), 0, "fail@1.service=2, web@1.service=1, web@2.service=1, web@3.service=1\n", "")
	w.fleetctl("destroy", "fail@1")
	w.want(w.fleetctl("restart", "web@2"), 0, "Unit web@2.service launched on 491586a6.../10.10.1.2\n", "")
	w.want(w.typing("hunter3", "secret", "set", "db-password", "--restart"), 0, "Secret db-password was so already: version 2\n"+
		"Going on: version 2 runs in 1 of 3 places already\n"+
		"Unit web@1.service launched on 491586a6.../10.10.1.2\nUnit web@3.service launched on 491586a6.../10.10.1.2\n", "")
	w.want(w.typing("hunter3", "secret", "set", "db-password", "--restart"), 0, "Secret db-password was so already: version 2\n", "")
}

func TestSecretLimit(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.want(w.fleetctl("secret", "limit", "db-password", "db@*.service"), 3, "", "there is no secret db-password")
	w.want(w.typing("hunter2", "secret", "set", "db-password"), 0, "Secret db-password set: version 1\n", "")
	w.want(w.fleetctl("secret", "limit", "db-password", "db@*.service", "web.service"), 0, "Secret db-password is for units called db@*.service, web.service\n", "")
	if err := os.WriteFile("app.service", []byte(asking), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("start", "app"), 1, "", "app.service asks for the secret db-password, which is for units called db@*.service, web.service; an admin may say otherwise: fleetctl secret limit db-password PATTERN...")
	w.launched("web.service", asking)
	w.want(w.fleetctl("secret", "limit", "db-password", "--any"), 0, "Secret db-password is for any unit\n", "")
	w.launched("app.service", asking)
}

func TestSecretUsage(t *testing.T) {
	w := newWorld(t)
	files(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"secret", "set"}, 2, "one secret is expected, 0 were given; its value comes on standard input"},
		{[]string{"secret", "set", "db", "hunter2"}, 2, "one secret is expected, 2 were given; its value comes on standard input"},
		{[]string{"secret", "set", "../x"}, 2, `"../x" is no secret's name`},
		{[]string{"secret", "set", "db"}, 2, "the value is empty; give one: fleetctl secret set NAME < FILE"},
		{[]string{"secret", "set", "db", "--file", "none"}, 1, "read the value: open none: no such file or directory"},
		{[]string{"secret", "set", "db", "--file", "x", "--from", "1"}, 2, "--file and --from are two values"},
		{[]string{"secret", "set", "db", "--from", "-1"}, 2, "from is -1"},
		{[]string{"secret", "set", "db", "--from", "1"}, 3, "there is no secret db"},
		{[]string{"secret", "rm"}, 2, "a secret is expected"},
		{[]string{"secret", "limit", "db"}, 2, "expected patterns of units, or --any"},
		{[]string{"secret", "limit", "db", "--any", "x"}, 2, "expected patterns of units, or --any"},
		{[]string{"secret", "limit", "db", "["}, 2, `"[" is no pattern of units`},
		{[]string{"secret", "show"}, 2, `unknown command "show"`},
		{[]string{"secret", "list", "x"}, 2, `unexpected "x"`},
	} {
		got := w.fleetctl(c.args...)
		if got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%v: %+v, want %d %q", c.args, got, c.code, c.says)
		}
	}
	w.want(w.typing(strings.Repeat("x", 64<<10+1), "secret", "set", "db"), 2, "", "the value has 65537 bytes; at most 65536 are allowed")
	if err := os.WriteFile("value", []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("secret", "set", "db", "--file", "value"), 0, "Secret db set: version 1\n", "")
}
