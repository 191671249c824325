//go:build machines

package attack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const plainText = "[Service]\nExecStart=/bin/sleep infinity\n"

// hostile are names that would leave the folder of units, or become an option, a
// second line or a command of whoever uses them.
var hostile = []string{
	"../evil.service", "../../../etc/systemd/system/evil.service", "/etc/systemd/system/evil.service", "a/b.service",
	"..", ".", ".service", "@.service", "evil", "evil.exe", "evil.service/", "evil.service\x00.txt", "evil.service\n", "a b.service",
	"$(reboot).service", "`reboot`.service", ";reboot;.service", "%n.service", "*.service", "evil.service~", "evil.service.d",
	"évil.service", "\u202eecivres.live.service", "\xff\xfe.service", strings.Repeat("a", 250) + ".service", strings.Repeat("../", 100) + "evil.service",
}

// No name of a unit is a path, on any way in.
func TestHostileNames(t *testing.T) {
	target.unharmed(t)
	change, err := json.Marshal(map[string]any{"text": plainText, "desired": "launched"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range hostile {
		at := url.PathEscape(name)
		for _, words := range []string{
			request("PUT", "/fleet/v2/units/"+at, asJSON, string(change)),
			request("DELETE", "/fleet/v2/units/"+at, asJSON, ""),
			request("GET", "/fleet/v2/units/"+at+"/journal", asJSON, ""),
			request("GET", "/fleet/v2/units/"+at+"/status", asJSON, ""),
			request("GET", "/fleet/v2/units?unit="+url.QueryEscape(name), asJSON, ""),
			request("PUT", "/fleet/v1/units/"+at, asJSON, `{"desiredState":"launched","options":[{"section":"Service","name":"ExecStart","value":"/bin/sleep infinity"}]}`),
		} {
			answer := ask(t, target.socket(t, member), words)
			line, _, _ := strings.Cut(words, "\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 40") && !strings.HasPrefix(answer, "HTTP/1.1 30") {
				t.Errorf("%s\nanswered %.300q", line, answer)
			}
		}
	}
}

// No name of a drop-in is a path either.
func TestHostileDropIns(t *testing.T) {
	target.unharmed(t)
	for _, name := range []string{
		"../evil.conf", "../../../../etc/systemd/system/ssh.service.d/evil.conf", "/etc/evil.conf", "a/b.conf", ".conf", "..conf", ".hidden.conf",
		"evil", "evil.service", "a b.conf", "a\nb.conf", "a\x00b.conf", "%n.conf", strings.Repeat("a", 251) + ".conf", "unit",
	} {
		change, err := json.Marshal(map[string]any{
			"text": plainText, "desired": "launched", "dropIns": []map[string]string{{"name": name, "text": "[Service]\nUser=root\n"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer := ask(t, target.socket(t, member), request("PUT", "/fleet/v2/units/dropped.service", asJSON, string(change)))
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.Contains(answer, "cannot be a drop-in's name") {
			t.Errorf("drop-in %q: %.400q", name, answer)
		}
	}
}

// fleetctl refuses such names itself, and a folder of drop-ins that leads elsewhere.
func TestHostileFiles(t *testing.T) {
	target.unharmed(t)
	for line, says := range map[string]string{
		"fleetctl start ../../etc/passwd.service":                               "passwd.service",
		"fleetctl start '$(touch /tmp/evil).service'":                           "is no unit name",
		"fleetctl start '*.service'":                                            "is no unit name",
		"fleetctl cat /etc/shadow":                                              "shadow",
		"fleetctl ssh --machine '-oProxyCommand=touch${IFS}/tmp/evil' true":     "-oProxyCommand",
		"fleetctl ssh '-oProxyCommand=touch${IFS}/tmp/evil'":                    "",
		"fleetctl --tunnel '-oProxyCommand=touch${IFS}/tmp/evil' list-machines": "",
		"fleetctl journal -- '--file=/etc/shadow'":                              "unit shadow.service: not found",
		"fleetctl journal --output 'cat --file=/etc/shadow' hello@1.service":    "output",
		"fleetctl status -- '-H.service;reboot'":                                "is no unit name",
		"cd $(mktemp -d) && printf 'Global=true' >x.service && fleetctl start ./x.service; code=$?; rm -r $PWD; exit $code":                                                                               "x.service:1",
		"cd $(mktemp -d) && head -c 2000000 /dev/zero | tr '\\0' x >x.service; fleetctl start ./x.service; code=$?; rm -r $PWD; exit $code":                                                               "at most 1048576",
		"cd $(mktemp -d) && printf '[Service]\\nExecStart=/bin/true\\n' >x.service; mkdir x.service.d; ln -s /etc/shadow x.service.d/a.conf; fleetctl start ./x.service; code=$?; rm -r $PWD; exit $code": "x.service.d/a.conf",
	} {
		if out := target.shell(t, member, line); out.code == 0 || !strings.Contains(out.stderr, says) {
			t.Errorf("%s $ %s\nexit %d\n%s%s\nexpected %q", member, line, out.code, out.stdout, out.stderr, says)
		}
	}
}

// What a unit's text says is systemd's and the scheduler's to read; nothing of it
// becomes a path, a line of another file or a command here.
func TestHostileTexts(t *testing.T) {
	target.unharmed(t)
	for what, text := range map[string]string{
		"a NUL":                           plainText + "Environment=A=\x00\n",
		"no section":                      "ExecStart=/bin/true\n",
		"a bundle in a text":              "fleet-bundle=1\nunit 0 bytes\n\n../evil.conf 3 bytes\na=b\n",
		"a line that goes on":             "[Service]\nExecStart=/bin/true \\\n" + strings.Repeat("x\\\n", 400_000),
		"a machine that is none":          plainText + "[X-Fleet]\nMachineID=../../etc\n",
		"a reservation that overflows":    plainText + "[X-Fleet]\nReserve=memory=99999999999999999999G\n",
		"a pattern that never ends":       plainText + "[X-Fleet]\nConflicts=[" + strings.Repeat("a-", 1000) + "\n",
		"Global beside one machine":       plainText + "[X-Fleet]\nGlobal=true\nMachineOf=a.service\n",
		"a partition policy that is none": plainText + "[X-Fleet]\nOnPartition=$(reboot)\n",
	} {
		change, err := json.Marshal(map[string]string{"text": text, "desired": "launched"})
		if err != nil {
			t.Fatal(err)
		}
		answer := ask(t, target.socket(t, member), request("PUT", "/fleet/v2/units/texts.service", asJSON, string(change)))
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") && !strings.HasPrefix(answer, "HTTP/1.1 413 ") || !strings.Contains(answer, `"message":`) {
			t.Errorf("%s: %.400q", what, answer)
		}
	}
}

// Instances whose names unescape to paths, and specifiers wherever they may stand,
// are stored and run as any other unit, in their own place.
func TestSpecifiersStayNames(t *testing.T) {
	name := `spec@..-..-etc-%`
	if answer := ask(t, target.socket(t, member), request("PUT", "/fleet/v2/units/"+url.PathEscape(name)+".service", asJSON, `{"text":"[Service]\nExecStart=/bin/true\n","desired":"launched"}`)); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		t.Errorf("%.300q", answer)
	}
	// What is stored and destroyed is collected later: its text may stay for a while.
	const instance = `spec@..-..-etc-passwd.service`
	text := "[Service]\nExecStart=/bin/echo %n %i %I %%x `id` \\; reboot\nType=oneshot\nRemainAfterExit=yes\n[X-Fleet]\nConflicts=%p@*-%i-*.service\n"
	change, err := json.Marshal(map[string]string{"text": text, "desired": "launched"})
	if err != nil {
		t.Fatal(err)
	}
	if answer := ask(t, target.socket(t, member), request("PUT", "/fleet/v2/units/"+instance, asJSON, string(change))); !strings.HasPrefix(answer, "HTTP/1.1 20") {
		t.Fatalf("%.300q", answer)
	}
	defer target.must(t, member, "fleetctl destroy "+instance)
	target.must(t, member, "fleetctl start "+instance)
	got := target.must(t, member, "fleetctl journal "+instance)
	if want := fmt.Sprintf("%s ..-..-etc-passwd ../../etc/passwd %%x `id` ; reboot", instance); !strings.Contains(got, want) {
		t.Errorf("the unit said\n%s\nexpected %s", got, want)
	}
}
