package fleetconf

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) Config {
	t.Helper()
	c, _, err := Load(write(t, text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLaterLayersWin(t *testing.T) {
	path := write(t, "# a comment\nagent_ttl=\"20s\"\n; another\n metadata = region=eu,disk=ssd \npublic_ip='10.0.0.1'\n")
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
	origins := map[string]string{}
	for _, s := range c.Settings() {
		origins[s.Name] = s.Origin
	}
	for name, want := range map[string]string{
		"agent_ttl": path + ":2", "metadata": path + ":4", "public_ip": "environment FLEET_PUBLIC_IP", "verbosity": "flag --verbosity", "member": "default",
	} {
		if origins[name] != want {
			t.Errorf("%s comes from %q, want %q", name, origins[name], want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := load(t, "")
	want := Config{
		EtcdServers: []string{"http://127.0.0.1:2379"}, RequestTimeout: 3 * time.Second, Metadata: map[string]string{}, AgentTTL: 10 * time.Second,
		TokenLimit: 100, UnitsDirectory: "/run/fleet/units", Member: true, APIAddress: ":49153", JoinAddress: ":49154",
	}
	want.settings = c.settings
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	if got := len(c.Settings()); got != len(Names()) {
		t.Errorf("%d settings of %d options", got, len(Names()))
	}
}

// Every option of fleet 1.0 as it may stand in a file, and what becomes of it.
func TestFleetsOwnOptions(t *testing.T) {
	c, notes, err := Load(write(t, `verbosity=2
etcd_servers=["https://10.0.0.1:2379", "https://10.0.0.2:2379"]
etcd_request_timeout=1.5
etcd_cafile=/ca
etcd_keyfile=/key
etcd_certfile=/cert
etcd_username=guest
etcd_password=p4ss=w0rd
public_ip="2001:db8::1"
metadata="region=us-west,az=us-west-1"
agent_ttl="30s"
engine_reconcile_interval=2
etcd_key_prefix=/_coreos.com/fleet/
units_directory=/run/units/
systemd_user=false
token_limit=7
enable_grpc=false
disable_engine=true
insecure=true
disable_watches=false
verify_units=true
authorized_keys_file=/keys
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Verbosity: 2, EtcdServers: []string{"https://10.0.0.1:2379", "https://10.0.0.2:2379"}, RequestTimeout: 1500 * time.Millisecond,
		EtcdCAFile: "/ca", EtcdKeyFile: "/key", EtcdCertFile: "/cert", EtcdUsername: "guest", EtcdPassword: "p4ss=w0rd",
		PublicIP: "2001:db8::1", Metadata: map[string]string{"region": "us-west", "az": "us-west-1"}, AgentTTL: 30 * time.Second,
		TokenLimit: 7, DisableEngine: true, Insecure: true, UnitsDirectory: "/run/units", Member: true, APIAddress: ":49153", JoinAddress: ":49154",
	}
	want.settings = c.settings
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	for i, name := range []string{"engine_reconcile_interval", "etcd_key_prefix", "enable_grpc", "disable_watches", "verify_units", "authorized_keys_file"} {
		if i >= len(notes) || !strings.Contains(notes[i], " "+name+" does nothing here: ") || !strings.Contains(notes[i], "remove the line") {
			t.Errorf("%s is not noted, or not with what to do instead: %q", name, notes)
		}
	}
	if len(notes) != 6 {
		t.Errorf("%d notes: %q", len(notes), notes)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	c := load(t, "etcd_username=a\netcd_password=sesame\n")
	for _, s := range c.Settings() {
		if strings.Contains(s.Shown(), "sesame") || s.Name == "etcd_password" && s.Shown() != "(not shown)" {
			t.Errorf("shown: %+v", s)
		}
	}
	for _, s := range load(t, "").Settings() {
		if s.Name == "etcd_password" && s.Shown() != "" {
			t.Errorf("no password is shown as %q", s.Shown())
		}
	}
}

func TestCapacity(t *testing.T) {
	c := load(t, "capacity=gpu=2,fpga=0 cpu=4,memory=8G\n").CapacityOf(cluster.Capacity{CPUs: 2, MemoryBytes: 1 << 30})
	if c.CPUs != 4 || c.MemoryBytes != 8<<30 || !maps.Equal(c.Other, map[string]int64{"gpu": 2, "fpga": 0}) {
		t.Errorf("got %+v", c)
	}
	if c := load(t, "").CapacityOf(cluster.Capacity{CPUs: 2, MemoryBytes: 1 << 30}); c.CPUs != 2 || c.MemoryBytes != 1<<30 || c.Other != nil {
		t.Errorf("got %+v", c)
	}
}

// Each bad line with the whole of its message; FILE stands for the path.
func TestBadLines(t *testing.T) {
	const pairs = "expected key=value pairs with commas between, such as region=eu,disk=ssd"
	const kinds = "expected kind=amount with commas between, such as gpu=2,memory=8G"
	for line, want := range map[string]string{
		"agent_ttl":                          `FILE:2: "agent_ttl": expected name=value`,
		"= 3":                                `FILE:2: "= 3": expected name=value`,
		"[fleet]":                            `FILE:2: [fleet]: fleet.conf has no sections: remove the line`,
		"\xff=1":                             `FILE:2: the line is not UTF-8`,
		"metadata=a=\x00":                    `FILE:2: the line holds a character that cannot be seen`,
		`public_ip="10.0.0.1`:                `FILE:2: public_ip: "10.0.0.1: the quote does not end`,
		"nonsense=1":                         `FILE:2: there is no option "nonsense"; fleet.conf(5) lists them`,
		"metdata=a=b":                        `FILE:2: there is no option "metdata"; did you mean metadata?`,
		"Agent_TTL=10s":                      `FILE:2: there is no option "Agent_TTL"; did you mean agent_ttl?`,
		"verbosity=-1":                       `FILE:2: verbosity: "-1": expected a whole number, 0 or more`,
		"verbosity=much":                     `FILE:2: verbosity: "much": expected a whole number, 0 or more`,
		"etcd_servers=10.0.0.1:2379":         `FILE:2: etcd_servers: "10.0.0.1:2379": expected URLs such as https://10.0.0.1:2379 with commas between`,
		"etcd_servers=":                      `FILE:2: etcd_servers: "": expected URLs such as https://10.0.0.1:2379 with commas between`,
		"etcd_request_timeout=soon":          `FILE:2: etcd_request_timeout: "soon": expected a duration such as 10s`,
		"etcd_request_timeout=0":             `FILE:2: etcd_request_timeout: 0s: expected between 100ms and 1m0s`,
		"etcd_request_timeout=1e99":          `FILE:2: etcd_request_timeout: "1e99": expected a duration such as 10s`,
		"etcd_cafile=/ca\netcd_keyfile=/key": `etcd_certfile and etcd_keyfile belong together, and to etcd_cafile: set all three`,
		"etcd_username=guest":                `etcd_username and etcd_password belong together: set both or none`,
		"public_ip=here":                     `FILE:2: public_ip: "here": expected an IP address`,
		"metadata=region":                    `FILE:2: metadata: "region": ` + pairs,
		"metadata=a=b,=c":                    `FILE:2: metadata: "=c": ` + pairs,
		"metadata=a=":                        `FILE:2: metadata: "a=": ` + pairs,
		"agent_ttl=1s":                       `FILE:2: agent_ttl: 1s: expected between 2s and 1h0m0s`,
		"agent_ttl=2h":                       `FILE:2: agent_ttl: 2h0m0s: expected between 2s and 1h0m0s`,
		"units_directory=run":                `FILE:2: units_directory: "run": expected an absolute path`,
		"units_directory=/":                  `FILE:2: units_directory: "/": expected an absolute path`,
		"systemd_user=true":                  `FILE:2: systemd_user: true: units run under the system's manager only; remove the line and set User= in the units`,
		"systemd_user=x":                     `FILE:2: systemd_user: "x": expected true or false`,
		"token_limit=0":                      `FILE:2: token_limit: "0": expected a whole number, 1 or more`,
		"token_limit=99999":                  `FILE:2: token_limit: 99999: expected at most 10000`,
		"disable_engine=perhaps":             `FILE:2: disable_engine: "perhaps": expected true or false`,
		"member=maybe":                       `FILE:2: member: "maybe": expected true or false`,
		"api_address=49153":                  `FILE:2: api_address: "49153": expected HOST:PORT or :PORT`,
		"api_address=:http":                  `FILE:2: api_address: ":http": expected HOST:PORT or :PORT`,
		"capacity=gpu":                       `FILE:2: capacity: "gpu": ` + kinds,
		"capacity=g~u=1":                     `FILE:2: capacity: "g~u=1": ` + kinds,
		"capacity=gpu=-1":                    `FILE:2: capacity: gpu="-1": expected a whole number, 0 or more`,
		"capacity=cpu=0.5":                   `FILE:2: capacity: cpu="0.5": expected a whole number, 1 or more`,
		"capacity=memory=8GB":                `FILE:2: capacity: memory="8GB": expected a number of bytes, or one with K, M, G or T behind it`,
		"capacity=memory=99999999999T":       `FILE:2: capacity: memory="99999999999T": expected a number of bytes, or one with K, M, G or T behind it`,
	} {
		path := write(t, "# first\n"+line+"\n")
		_, _, err := Load(path, nil, nil)
		if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != want {
			t.Errorf("%q\ngot  %v\nwant %s", line, err, want)
		}
	}
}

func TestBadFiles(t *testing.T) {
	folder := t.TempDir()
	large := write(t, strings.Repeat("#\n", maxFileBytes))
	for path, want := range map[string]string{
		"/does/not/exist": "read configuration: stat /does/not/exist: no such file or directory",
		folder:            "read configuration: " + folder + " is not a file",
		large:             "read configuration: " + large + " is larger than 1048576 bytes",
	} {
		if _, _, err := Load(path, nil, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	path := write(t, "agent_ttl=soon\nnonsense=1\n")
	_, _, err := Load(path, []string{"FLEET_MEMBER=perhaps", "FLEET_NO=1"}, map[string]string{"units_directory": "run"})
	want := path + `:2: there is no option "nonsense"; fleet.conf(5) lists them
environment FLEET_MEMBER: member: "perhaps": expected true or false
environment FLEET_NO: there is no option "no"; fleet.conf(5) lists them
flag --units_directory: units_directory: "run": expected an absolute path`
	if err == nil || err.Error() != path+`:1: agent_ttl: "soon": expected a duration such as 10s`+"\n"+want {
		t.Errorf("got %v", err)
	}
}

func TestSetTwice(t *testing.T) {
	path := write(t, "verbosity=1\nverbosity=0\n")
	c, notes, err := Load(path, nil, nil)
	if want := []string{path + ":2: verbosity is set again; " + path + ":1 counts no more"}; err != nil || c.Verbosity != 0 || !slices.Equal(notes, want) {
		t.Errorf("%d, %q, %v", c.Verbosity, notes, err)
	}
}

func TestReload(t *testing.T) {
	old := load(t, "metadata=a=b\npublic_ip=10.0.0.1\nverbosity=1\nagent_ttl=20s\n")
	next := load(t, "metadata=a=c\npublic_ip=10.0.0.2\ncapacity=gpu=1\nagent_ttl=20s\n")
	merged, changed, pending := old.Reload(next)
	if !slices.Equal(changed, []string{"verbosity", "metadata", "capacity"}) || !slices.Equal(pending, []string{"public_ip"}) {
		t.Errorf("changed %q, pending %q", changed, pending)
	}
	if merged.PublicIP != "10.0.0.1" || merged.Metadata["a"] != "c" || merged.Capacity.Other["gpu"] != 1 || merged.Verbosity != 0 {
		t.Errorf("merged %+v", merged)
	}
	// What waits for a restart is told again; what was taken over is not.
	if _, changed, pending := merged.Reload(next); len(changed) != 0 || !slices.Equal(pending, []string{"public_ip"}) {
		t.Errorf("again: changed %q, pending %q", changed, pending)
	}
	if old.Metadata["a"] != "b" || old.settings["metadata"].Value != "a=b" {
		t.Error("the old configuration was changed")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("agent_ttl=\"10s\"\nmetadata=a=b,c=d\ncapacity=gpu=1,memory=1G\n")
	f.Add("[x]\n=\n\"\n'='\n")
	f.Add("etcd_servers=[\"http://a\"]\nverify_units=1\nx=\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, _, err := parse("fleet.conf", text)
		var faults []error
		c := Config{settings: map[string]Setting{}}
		for _, g := range all {
			if g.name == "" || !strings.HasPrefix(g.origin, "fleet.conf:") {
				t.Errorf("%+v", g)
			}
			_, err := c.take(g)
			faults = append(faults, err)
		}
		if c.AgentTTL != 0 && (c.AgentTTL < minTTL || c.AgentTTL > maxTTL) || c.TokenLimit < 0 || c.Capacity.MemoryBytes < 0 || c.Capacity.CPUs < 0 {
			t.Errorf("accepted %+v", c)
		}
		if err := errors.Join(append(faults, err)...); err != nil && !strings.Contains(err.Error(), "fleet.conf:") {
			t.Errorf("a fault without its line: %v", err)
		}
	})
}
