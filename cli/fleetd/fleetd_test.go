package fleetd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"argosy/cli"
)

func run(args ...string) (stdout, stderr string, err error) {
	cmd := New()
	var out, complaints bytes.Buffer
	cmd.SetArgs(twoDashes(args))
	cmd.SetOut(&out)
	cmd.SetErr(&complaints)
	err = cmd.Execute()
	return out.String(), complaints.String(), err
}

func TestConfigShow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.conf")
	if err := os.WriteFile(path, []byte("metadata=\"region=eu\"\netcd_username=a\netcd_password=sesame\nverify_units=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLEET_VERBOSITY", "2")
	out, notes, err := run("config", "show", "--origin", "-config", path, "-token_limit=7")
	if err != nil || !strings.Contains(notes, path+":4: verify_units does nothing here: ") {
		t.Errorf("%v, %s", err, notes)
	}
	for _, want := range []string{
		"OPTION VALUE ORIGIN", "metadata region=eu " + path + ":1", "etcd_password (not shown) " + path + ":3",
		"verbosity 2 environment FLEET_VERBOSITY", "token_limit 7 flag --token_limit", "agent_ttl 10s default",
	} {
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool { return strings.Join(strings.Fields(line), " ") == want }) {
			t.Errorf("no line %q in:\n%s", want, out)
		}
	}
	out, _, err = run("config", "show", "--config="+path)
	if err != nil || !strings.Contains(out, "\nmetadata=region=eu\n") || strings.Contains(out, "sesame") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestConfigCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.conf")
	if err := os.WriteFile(path, []byte("metdata=a=b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err := run("config", "check", "--config", path); cli.Code(err) != cli.ExitUsage || out != "" || err.Error() != path+`:1: there is no option "metdata"; did you mean metadata?` {
		t.Errorf("%v, %s", err, out)
	}
	if out, notes, err := run("config", "check", "--config", os.DevNull); err == nil || out != "" || notes != "" {
		t.Errorf("a device: %v, %s, %s", err, out, notes)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ line, stdout, err string }{
		{"version", "fleetd version " + cli.Version + "\n", ""},
		{"-version", "fleetd version " + cli.Version + "\n", ""},
		{"--version", "fleetd version " + cli.Version + "\n", ""},
		{"start", "", `unknown command "start" for "fleetd"`},
		{"-config", "", "flag needs an argument: --config"},
		{"-config /does/not/exist", "", "read configuration: stat /does/not/exist: no such file or directory"},
		{"-frobnicate", "", "unknown flag: --frobnicate"},
		{"config show -systemd_user=true", "", "flag --systemd_user: systemd_user: true: units run under the system's manager only; remove the line and set User= in the units"},
	} {
		out, _, err := run(strings.Fields(c.line)...)
		if out != c.stdout || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("fleetd %s: %q, %v; want %q, %q", c.line, out, err, c.stdout, c.err)
		}
		if err != nil && cli.Code(err) != cli.ExitUsage {
			t.Errorf("fleetd %s: exit %d, want %d", c.line, cli.Code(err), cli.ExitUsage)
		}
	}
}
