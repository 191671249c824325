package fleetconf

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterLayersWin(t *testing.T) {
	path := write(t, "# a comment\nagent_ttl=\"20s\"\nmetadata=region=eu,disk=ssd\npublic_ip=10.0.0.1\n")
	c, notes, err := Load(path, []string{"FLEET_PUBLIC_IP=10.0.0.2", "FLEET_METADATA=", "OTHER=1"}, map[string]string{"verbosity": "1"})
	if err != nil || len(notes) != 0 {
		t.Fatal(err, notes)
	}
	if c.AgentTTL != 20*time.Second || c.PublicIP != "10.0.0.2" || c.Verbosity != 1 {
		t.Errorf("got %+v", c)
	}
	if want := map[string]string{"region": "eu", "disk": "ssd"}; !maps.Equal(c.Metadata, want) {
		t.Errorf("metadata is %v: an empty variable must count as unset", c.Metadata)
	}
}

func TestDefaults(t *testing.T) {
	c, _, err := Load(write(t, ""), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.AgentTTL != 10*time.Second || !c.Member || c.UnitsDirectory != "/run/fleet/units" || c.APIAddress != ":49153" {
		t.Errorf("got %+v", c)
	}
}

func TestRetiredOptionsAreNoted(t *testing.T) {
	_, notes, err := Load(write(t, "verify_units=true\n"), nil, nil)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "verify_units") {
		t.Error(notes, err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	path := write(t, "agent_ttl=soon\npublic_ip=here\nmetadata=region\nnonsense=1\netcd_cafile=/ca\n")
	_, _, err := Load(path, []string{"FLEET_MEMBER=perhaps"}, map[string]string{"units_directory": "run", "api_address": "49153", "etcd_servers": "10.0.0.1:2379", "verbosity": "-1"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{path + ": agent_ttl: \"soon\"", "public_ip", "key=value pairs", `no option "nonsense"`, "all three or none",
		"environment FLEET_*: member", "absolute path", "HOST:PORT", "https://10.0.0.1:2379", "whole number"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q:\n%v", want, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{"no equals sign": "agent_ttl\n", "a section": "[fleet]\nagent_ttl=10s\n", "short": "agent_ttl=1s\n", "long": "agent_ttl=2h\n"} {
		if _, _, err := Load(write(t, text), nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := Load("/does/not/exist", nil, nil); err == nil {
		t.Error("a named file that is missing: accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("agent_ttl=\"10s\"\nmetadata=a=b,c=d\n")
	f.Add("[x]\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parse("fleet.conf", []byte(text))
		if err != nil {
			return
		}
		var c Config
		_, _ = l.apply(&c)
		if c.AgentTTL != 0 && c.AgentTTL < minTTL {
			t.Errorf("accepted a TTL of %s", c.AgentTTL)
		}
	})
}
