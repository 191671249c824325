package fleetv1_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"argosy/core/cluster"
)

var update = flag.Bool("update", false, "write the answers anew")

// TestAnswers holds every row of the API's table, and every error, against
// testdata/answers.txt: a request a line, and below it the whole answer.
func TestAnswers(t *testing.T) {
	const path = "testdata/answers.txt"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	run(t, func(b *bench) {
		lease := b.join(machineOne, map[string]string{"region": "eu"})
		b.publish(lease, machineOne, cluster.UnitState{
			Unit: "seen.service", Hash: "4c6dd5b4a3b1d62c8d7d0e4d5a0a3b0c5c7f9a11", Load: "loaded", Active: "active", Sub: "running", Phase: cluster.Settled,
		})
		for line := range strings.Lines(string(want)) {
			if !strings.HasPrefix(line, "< ") {
				got.WriteString(line)
			}
			if method, rest, is := strings.Cut(strings.TrimSpace(line), " "); is && method == strings.ToUpper(method) && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "<") {
				at, body, _ := strings.Cut(rest, " ")
				got.WriteString(b.told(method, at, body))
			}
		}
	})
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != string(want) && !*update {
		t.Errorf("the answers are (go test -update writes them):\n%s", got.String())
	}
}

// token is what only the server reads in an answer; the rest is for clients.
var token = regexp.MustCompile(`"nextPageToken":"[^"]*"`)

// told is the whole answer: status, type, body.
func (b *bench) told(method, path, body string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == "PUT" && !strings.Contains(path, "untyped") {
		r.Header.Set("Content-Type", "application/json")
	}
	got := b.send(r)
	answer := strings.TrimSpace(fmt.Sprintf("< %d %s", got.code, got.header.Get("Content-Type")))
	if got.body != "" {
		answer += "\n< " + token.ReplaceAllString(got.body, `"nextPageToken":"..."`)
	}
	return answer + "\n"
}
