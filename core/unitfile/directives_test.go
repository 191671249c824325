package unitfile_test

import (
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// TestWarnings has the sections and keys of other types; those of services are
// in testdata.
func TestWarnings(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.socket", "[Socket]\nListenStream=80\nMemoryMax=1G\n[Service]\nExecStart=x\nRestart=no\n",
			"a.socket:5: a .socket file has no section [Service]: it is ignored"},
		{"a.timer", "[Timer]\nOnCalender=daily\n", `a.timer:2: [Timer] has no "OnCalender" and systemd ignores it; did you mean OnCalendar=?`},
		{"a.path", "[Path]\nPathExists=/x\nMakeDirectory=yes\n", ""},
		{"a.mount", "[Mount]\nWhat=x\nWhere=/x\nExecPaths=/x\n", ""},
		{"a.slice", "[Slice]\nMemoryMax=1G\nNice=1\n", `a.slice:3: [Slice] has no "Nice" and systemd ignores it; did you mean Slice=?`},
		{"a.target", "[Unit]\nWants=b.service\n[Target]\nA=b\n", "a.target:4: there is no section [Target]: it is ignored; did you mean [Unit]?"},
		{"a.container", "[Container]\nImage=x\nAnything=that Podman judges\n[Service]\nRestart=always\n[Quadlet]\nDefaultDependencies=no\n", ""},
		{"a.container", "[Volume]\nDriver=x\n", "a.container:2: a .container file has no section [Volume]: it is ignored"},
		{"dir/a@.service", "[Service]\nExecStart=x\nMemoryLimt=1G\n", `dir/a@.service:3: [Service] has no "MemoryLimt" and systemd ignores it; did you mean MemoryLimit=?`},
		{"unit file", "[Nonsense]\nA=b\n", ""},
	} {
		file, err := unitfile.Parse(c.name, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(file.Warnings(), "\n"); got != c.want {
			t.Errorf("%s\n%s\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
}

func TestStartable(t *testing.T) {
	for _, c := range []struct {
		unit       cluster.UnitName
		text, want string
	}{
		{"a.scope", "[Unit]\n", "a.scope: systemd has no scopes of files: programs make them as they run; expected a .service or a .slice"},
		{"a.snapshot", "", "a.snapshot: systemd has had no .snapshot units for years; expected another type, such as .service"},
		{"a.busname", "", "a.busname: systemd has had no .busname units for years; expected another type, such as .service"},
		{"a.device", "[Unit]\n", ""},
		{"web.container", "[Container]\nImage=x\nServiceName=web2\n",
			`web.container:3: ServiceName="web2" would give the unit another name on its machine; expected no ServiceName=, for it to be web.service`},
		{"web.pod", "[Service]\nServiceName=x\n[Pod]\nServiceName=y\n",
			`web.pod:4: ServiceName="y" would give the unit another name on its machine; expected no ServiceName=, for it to be web-pod.service`},
		{"web.service", "[Container]\nServiceName=web2\n", ""},
	} {
		file, err := unitfile.Parse(string(c.unit), c.text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := file.Startable(c.unit); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.unit, got, c.want)
		}
	}
}

// TestWarningsAreBounded: looking for the nearest key takes time, and a file may
// have a hundred thousand of them.
func TestWarningsAreBounded(t *testing.T) {
	file, err := unitfile.Parse("a.service", "[Service]\n"+strings.Repeat("Unknown=x\n", 100_000))
	if err != nil {
		t.Fatal(err)
	}
	warnings := file.Warnings()
	if last := warnings[len(warnings)-1]; len(warnings) != 21 || last != "a.service: and more; these come first" {
		t.Errorf("%d warnings, the last is %q", len(warnings), last)
	}
}
