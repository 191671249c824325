package fleetctl

import (
	"os"
	"path/filepath"
	"testing"
)

// put writes a file, its folder too, below the working directory.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDropInsGoWithTheirUnit(t *testing.T) {
	w := newWorld(t)
	files(t, "web.service")
	put(t, "web.service.d/20-b.conf", "[Service]\nNice=5\n")
	put(t, "web.service.d/10-a.conf", "[X-Fleet]\nGlobal=true")
	put(t, "web.service.d/README", "no drop-in")
	put(t, "web.service.d/.10-a.conf", "an editor's")
	w.want(w.fleetctl("submit", "web"), 0, "Unit web.service inactive\n", "")
	w.want(w.fleetctl("cat", "web"), 0, text, "(web.service has drop-ins: --drop-ins shows them)\n")
	w.want(w.fleetctl("cat", "--drop-ins", "web"), 0, "# web.service\n"+text+
		"\n# web.service.d/10-a.conf\n[X-Fleet]\nGlobal=true\n\n# web.service.d/20-b.conf\n[Service]\nNice=5\n", "")
	w.want(w.fleetctl("list-unit-files", "--fields=unit,target", "--no-legend"), 0, "web.service\tglobal\n", "")
	w.want(w.fleetctl("submit", "web"), 0, "", "") // the same

	put(t, "web.service.d/20-b.conf", "[Service]\nNice=6\n")
	w.want(w.fleetctl("submit", "web"), 0, "", `WARNING: Unit web.service in registry differs from local unit file web.service with its drop-ins (--replace takes that one)
--- in registry
+++ with --replace
@@ -10,4 +10,4 @@
 
 # web.service.d/20-b.conf
 [Service]
-Nice=5
+Nice=6
`)
	w.want(w.fleetctl("submit", "--replace", "web"), 0, "Unit web.service inactive\n", "")
	w.want(w.fleetctl("submit", "web"), 0, "", "")
	if err := os.RemoveAll("web.service.d"); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "--replace", "web"), 0, "Unit web.service inactive\n", "")
	w.want(w.fleetctl("cat", "--drop-ins", "web"), 0, "# web.service\n"+text, "")
}

func TestDropInsOfTemplatesAndInstances(t *testing.T) {
	w := newWorld(t)
	files(t, "web@.service")
	put(t, "web@.service.d/10-a.conf", "[Service]\nNice=1\n")
	put(t, "web@.service.d/20-b.conf", "[Service]\nNice=2\n")
	put(t, "web@1.service.d/20-b.conf", "[Service]\nNice=3\n")
	const one = "\n# web@1.service.d/10-a.conf\n[Service]\nNice=1\n\n# web@1.service.d/20-b.conf\n[Service]\nNice=3\n"
	w.want(w.fleetctl("submit", "web@1", "web@2"), 0, "Unit web@1.service inactive\nUnit web@2.service inactive\n", "")
	w.want(w.fleetctl("cat", "--drop-ins", "web@1"), 0, "# web@1.service\n"+text+one, "")
	w.want(w.fleetctl("cat", "--drop-ins", "web@2"), 0, "# web@2.service\n"+text+
		"\n# web@2.service.d/10-a.conf\n[Service]\nNice=1\n\n# web@2.service.d/20-b.conf\n[Service]\nNice=2\n", "")

	// A template in the cluster brings its drop-ins; an instance's own count too.
	w.want(w.fleetctl("destroy", "web@1", "web@2"), 0, "Destroyed web@1.service\nDestroyed web@2.service\n", "")
	w.want(w.fleetctl("submit", "web@"), 0, "Unit web@.service inactive\n", "")
	for _, gone := range []string{"web@.service", "web@.service.d"} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	w.want(w.fleetctl("submit", "web@1"), 0, "Unit web@1.service inactive\n", "")
	w.want(w.fleetctl("cat", "--drop-ins", "web@1"), 0, "# web@1.service\n"+text+one, "")
}

func TestBadDropIns(t *testing.T) {
	w := newWorld(t)
	files(t, "web.service", "odd.service", "folder.service")
	put(t, "web.service.d/10-x.conf", "[Service]\n\nNice\n")
	put(t, "odd.service.d/10 x.conf", "")
	put(t, "folder.service.d/10-x.conf/nested", "")
	const alone = " is a drop-in of web.service, which goes to the cluster with its drop-ins: name web.service\n"
	for _, c := range []struct {
		arg  string
		code int
		says string
	}{
		{"web.service", 1, `web.service.d/10-x.conf:3: "Nice" is no assignment; expected NAME=VALUE, a [Section] or a # comment` + "\n"},
		{"odd.service", 1, `odd.service.d: "10 x.conf" cannot be a drop-in's name; expected one such as 10-limits.conf of letters, digits and :-_.\@` + "\n"},
		{"folder.service", 1, "read the unit's drop-ins: read folder.service.d/10-x.conf: is a directory\n"},
		{"web.service.d/10-x.conf", 2, "web.service.d/10-x.conf" + alone},
		{"./web.service.d/", 2, "./web.service.d/" + alone},
	} {
		for _, verb := range []string{"submit", "start"} {
			w.want(w.fleetctl(verb, c.arg), c.code, "", "fleetctl: "+c.says)
		}
	}
	w.want(w.fleetctl("list-unit-files", "--no-legend"), 0, "", "")
}
