package fleetctl

import (
	"os"
	"strings"
	"testing"

	"argosy/core/unitfile"
)

// TestRefusedFiles: each kind of file that is refused, from the file to the
// message, and nothing of it is stored.
func TestRefusedFiles(t *testing.T) {
	w := newWorld(t)
	t.Chdir(t.TempDir())
	const globalWords = "expected true, yes, 1, on or t, or false, no, 0, off or f"
	for _, c := range []struct {
		name, content string
		code          int
		says          string
	}{
		{"header.service", "[Unit\nDescription=x\n", 1, `header.service:1: the section header "[Unit" is not closed; expected [NAME] alone on its line`},
		{"outside.service", "ExecStart=/bin/true\n", 1, `outside.service:1: "ExecStart=/bin/true" stands in no section; expected a header such as [Unit] before it`},
		{"line.service", "[Service]\nExecStart\n", 1, `line.service:2: "ExecStart" is no assignment; expected NAME=VALUE, a [Section] or a # comment`},
		{"noname.service", "[Service]\n=x\n", 1, `noname.service:2: "=x" has no name before the =; expected NAME=VALUE`},
		{"bundle.service", "fleet-bundle=1\nunit 0 bytes\n\n", 1, "bundle.service:1: \"fleet-bundle=1\" stands in no section; expected a header such as [Unit] before it\n" +
			"bundle.service:2: \"unit 0 bytes\" stands in no section; expected a header such as [Unit] before it"},
		{"latin.service", "[Unit]\nDescription=caf\xe9\n", 1, "latin.service:2: a byte that is not UTF-8; expected a text in UTF-8"},
		{"nul.service", "[Unit]\nDescription=\x00\n", 1, "nul.service:2: a NUL character; expected a text"},
		{"large.service", "[Unit]\n" + strings.Repeat("#", unitfile.MaxTextBytes), 1, "large.service:1: the file has 1048577 bytes; expected at most 1048576"},
		{"both.service", "[X-Fleet]\nGlobal=true\nMachineOf=a.service\n", 1, "both.service:3: Global= and MachineOf= cannot stand together; expected one of them"},
		{"own.service", "[X-Fleet]\nMachineOf=own.service\n", 1, `own.service:2: MachineOf="own.service" names the unit itself; expected another unit`},
		{"truth.service", "[X-Fleet]\nGlobal=maybe\n", 1, `truth.service:2: Global="maybe" cannot be read; ` + globalWords},
		{"quote.service", "[X-Fleet]\nConflicts=\"a\n", 1, `quote.service:2: Conflicts="\"a": a quote is not closed; expected every quote closed`},
		{"a.scope", "[Unit]\n", 1, "a.scope: systemd has no scopes of files: programs make them as they run; expected a .service or a .slice"},
		{"named.container", "[Container]\nImage=x\nServiceName=other\n", 1,
			`named.container:3: ServiceName="other" would give the unit another name on its machine; expected no ServiceName=, for it to be named.service`},
		{"bad name.service", "[Unit]\n", 2, `"bad name.service" is no unit name: the character ' ' at byte 4 is not one of letters, digits and :-_.\@`},
		{"@.service", "[Unit]\n", 2, `"@.service" is no unit name: expected a name before the suffix`},
		{strings.Repeat("x", 248) + ".service", "[Unit]\n", 2, `.service" is no unit name: it has 256 bytes, at most 255 are allowed`},
		{"x@1.mount", "[Mount]\n", 2, `"x@1.mount" is no unit name: units of type mount have no templates`},
	} {
		if len(c.name) <= 255 {
			if err := os.WriteFile(c.name, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, verb := range []string{"submit", "start"} {
			got := w.fleetctl(verb, c.name)
			if got.code != c.code || got.out != "" || !strings.HasSuffix(got.err, c.says+"\n") {
				t.Errorf("%s %.40s: exit %d, stdout %q, stderr\n%s\nwant exit %d and\n%s", verb, c.name, got.code, got.out, got.err, c.code, c.says)
			}
		}
	}
	w.want(w.fleetctl("list-unit-files", "--no-legend"), 0, "", "")
}
