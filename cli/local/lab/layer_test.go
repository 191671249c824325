package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"argosy/edge/fleetconf"
)

func TestNodeFilesFitTogether(t *testing.T) {
	ca, err := (&Cluster{dir: t.TempDir()}).certificates()
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, 4, 3)
	for _, node := range p.Machines {
		own, err := newSecrets(ca, node)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]file{}
		for _, f := range nodeFiles(p, node, own) {
			if _, twice := files[f.path]; twice {
				t.Errorf("%s is written twice", f.path)
			}
			files[f.path] = f
		}
		_, store := files["etc/systemd/system/multi-user.target.wants/etcd.service"]
		if store != node.Member {
			t.Errorf("%s, member %t: runs a store: %t", node.Name, node.Member, store)
		}
		for path, f := range files {
			if strings.HasSuffix(path, ".key") && f.mode&0o007 != 0 {
				t.Errorf("%s can be read by everybody: %o", path, f.mode)
			}
			if strings.Contains(path, "ca.key") && !node.Member || strings.Contains(path, "peer") && !node.Member {
				t.Errorf("a worker has %s", path)
			}
			if strings.HasSuffix(path, "ca.key") && (f.mode != 0o600 || f.gid != 0) {
				t.Errorf("others than root can read %s: %o", path, f.mode)
			}
		}
		conf := filepath.Join(t.TempDir(), "fleet.conf")
		if err := os.WriteFile(conf, []byte(files["etc/fleet/fleet.conf"].text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, notes, err := fleetconf.Load(conf, nil, nil)
		if err != nil || len(notes) > 0 {
			t.Errorf("fleetd does not take its configuration: %v %v", notes, err)
		}
		if c.Member != node.Member || c.PublicIP != node.Address.String() || len(c.EtcdServers) != 3 {
			t.Errorf("%s: fleetd reads %+v", node.Name, c)
		}
	}
}

func TestEtcdEnvironment(t *testing.T) {
	p := plan(t, 5, 3)
	env := etcdEnvironment(p, p.Machines[1])
	for _, want := range []string{
		"ETCD_NAME=core-02\n", "ETCD_LISTEN_CLIENT_URLS=https://10.99.0.12:2379\n", "ETCD_CLIENT_CERT_AUTH=true\n", "ETCD_ENABLE_GUARD=true\n",
		"ETCD_INITIAL_CLUSTER=core-01=https://10.99.0.11:2380,core-02=https://10.99.0.12:2380,core-03=https://10.99.0.13:2380\n",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in\n%s", want, env)
		}
	}
	if strings.Contains(env, "http://") {
		t.Errorf("something is in plain text:\n%s", env)
	}
}

func TestLayerIsWholeOrNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layer")
	if err := os.MkdirAll(filepath.Join(dir+".next", "left/by/a/crash"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := []file{plain("etc/a", "a"), {path: "etc/key", text: "secret", mode: 0o600}, linked("usr/bin/b", "a")}
	for range 2 { // the second replaces the first
		if err := writeLayer(dir, files); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "left")); err == nil {
		t.Error("what a crash left is in the layer")
	}
	if info, err := os.Stat(filepath.Join(dir, "etc/key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("etc/key: %v %v", info, err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "usr/bin/b")); err != nil || to != "a" {
		t.Errorf("usr/bin/b: %q, %v", to, err)
	}
	bad := []file{plain("etc/a/b", ""), plain("etc/a", "")}
	if err := writeLayer(filepath.Join(t.TempDir(), "layer"), bad); err == nil || !strings.Contains(err.Error(), "etc/a") {
		t.Errorf("a folder in a file's place: %v", err)
	}
}

func TestSplitOptions(t *testing.T) {
	for _, c := range []struct{ words, options, command string }{
		{"", "", ""},
		{"ls -l", "", "ls -l"},
		{"-A", "-A", ""},
		{"-A ls -l", "-A", "ls -l"},
		{"-L 8080:localhost:80 -N", "-L 8080:localhost:80 -N", ""},
		{"-L8080:localhost:80 ls", "-L8080:localhost:80", "ls"},
		{"-vo LogLevel=DEBUG id", "-vo LogLevel=DEBUG", "id"},
		{"-t -- -x", "-t", "-x"},
		{"-o", "-o", ""}, // ssh says what is missing
		{"- x", "", "- x"},
	} {
		options, command := SplitOptions(strings.Fields(c.words))
		if strings.Join(options, " ") != c.options || strings.Join(command, " ") != c.command {
			t.Errorf("%q: options %q, command %q", c.words, options, command)
		}
	}
}

func FuzzSplitOptions(f *testing.F) {
	f.Add("-A -L x ls")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		options, command := SplitOptions(words)
		if joined := append(append([]string{}, options...), command...); len(words)-len(joined) > 1 {
			t.Errorf("%q: words are lost: %q %q", words, options, command)
		}
	})
}

// What several words are for ssh comes out of a shell as the same words.
func TestWordsSurviveTheShell(t *testing.T) {
	c := &Cluster{plan: plan(t, 1, 0), dir: "/x"}
	words := []string{"printf", `%s\n`, "a  b", "$HOME", "it's", `"`, "*", "", "c\nd"}
	argv := c.sshArguments(c.plan.Machines[0], nil, words)
	line := argv[len(argv)-1]
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	if want := strings.Join(words[2:], "\n") + "\n"; err != nil || string(out) != want {
		t.Errorf("sh -c %s\nprinted %q, %v; expected %q", line, out, err, want)
	}
	argv = c.sshArguments(c.plan.Machines[0], []string{"-A"}, []string{"id | wc"})
	if tail := argv[len(argv)-4:]; !reflect.DeepEqual(tail, []string{"-A", "--", "core@10.99.0.11", "id | wc"}) {
		t.Errorf("one word is a line for the shell: %q", tail)
	}
}

// The Vagrantfile does by hand what up does; it may not fall behind.
func TestVagrantfileSetsTheSame(t *testing.T) {
	text, err := os.ReadFile("../../../examples/Vagrantfile")
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, 3, 3)
	settings := etcdEnvironment(p, p.Machines[0]) + fleetConf(p, p.Machines[0]) + "ARGOSY_ENDPOINT_MEMBERS=x\n"
	for line := range strings.Lines(settings) {
		if key, _, _ := strings.Cut(line, "="); !strings.Contains(string(text), key+"=") {
			t.Errorf("examples/Vagrantfile does not set %s", key)
		}
	}
	for _, command := range commands {
		if !strings.Contains(string(text), " "+command) {
			t.Errorf("examples/Vagrantfile makes no link called %s", command)
		}
	}
}
