//go:build store

package v2cluster

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const guide = "../../docs/guide/move-from-etcd-2.md"

// blocks are the page's files and consoles, in turn.
var blocks = regexp.MustCompile("(?ms)(?:^<!-- file (\\S+) -->\n)?^```(python|console)\n(.*?)^```$")

// TestMoveFromEtcd2 writes the page's files and types its commands, with Debian's
// etcd in place of the old cluster, and compares what they print.
func TestMoveFromEtcd2(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	old, ours := startReference(t, 1)[0], start(t, 1)[0]
	web := newWeb()
	defer web.CloseIdleConnections()
	for key, form := range map[string]url.Values{
		"services/web/1": {"value": {`10.0.0.21:80 "blue"`}}, "services/web/2": {"value": {"10.0.0.22:80"}},
		"session": {"value": {"lena"}, "ttl": {"1000"}}, "empty": {"dir": {"true"}}, "_secret/token": {"value": {"x"}},
	} {
		if _, err := ask(t.Context(), web, http.MethodPut, old.client()+"/v2/keys/"+key, form); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ask(t.Context(), web, http.MethodDelete, old.client()+"/v2/keys/ready", nil); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	here := strings.NewReplacer("10.0.0.9:2379", old.host+":2379", "127.0.0.1:2379", ours.host+":2379")
	typed := 0
	for _, block := range blocks.FindAllStringSubmatch(string(page), -1) {
		if name := block[1]; name != "" {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(block[3]), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, command := range strings.Split(block[3], "you $ ")[1:] {
			line, shows, _ := strings.Cut(command, "\n")
			shell := exec.CommandContext(t.Context(), "/bin/sh", "-c", here.Replace(line))
			shell.Dir = folder
			out, err := shell.CombinedOutput()
			want := "^" + strings.ReplaceAll(regexp.QuoteMeta(shows), `\.\.\.`, ".*") + "$"
			if err != nil || !regexp.MustCompile(want).Match(out) {
				t.Fatalf("you $ %s\n%s%v\nthe page shows\n%s", line, out, err, shows)
			}
			typed++
		}
	}
	if typed < 5 {
		t.Errorf("%d commands were found on the page", typed)
	}
}
