package httpapi

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"argosy/core/api"
	"argosy/edge/authority"
)

const base = "http://fleet" + api.Base

func member(f *fakeRegistry) *API {
	return New(Config{
		Registry: f, Explainer: fakeScheduler{}, Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01", Version: "1",
		Access: newAccess(people()...), IdentityOf: authority.IdentityOf, Secrets: &fakeSecrets{}, Policies: &fakePolicies{}, People: &fakePeople{}, Audit: &fakeAudit{},
	})
}

func TestBadInput(t *testing.T) {
	f := &fakeRegistry{}
	c := onSocket(t, member(f))
	long := strings.Repeat("a", 300)
	for _, b := range []struct {
		name, method, path, body string
		code                     int
		says                     string
	}{
		{"unknown path", "GET", "/nothing", "", 404, "no such path"},
		{"root of the API", "GET", "", "", 404, "no such path"},
		{"wrong method", "POST", "/machines", "", 405, "it takes GET"},
		{"method nobody knows", "BREW", "/units/web.service", "", 405, "it takes DELETE, GET, PUT"},
		{"unknown parameter", "GET", "/units?minrevision=1", "", 400, `\"minrevision\" is not known`},
		{"parameter twice", "GET", "/units?minRevision=1&minRevision=2", "", 400, "2 times"},
		{"query that does not parse", "GET", "/units?unit=%zz", "", 400, "does not parse"},
		{"revision is no number", "GET", "/machines?minRevision=x", "", 400, "expected a number"},
		{"revision below zero", "GET", "/states?minRevision=-1", "", 400, "expected a number"},
		{"machine is no id", "GET", "/states?machine=core-01", "", 400, "is no machine id"},
		{"name without suffix", "GET", "/units/web", "", 400, "expected a suffix"},
		{"name with a slash", "GET", "/units/a%2fb.service", "", 400, "is no unit name"},
		{"name with a NUL", "GET", "/units/a%00.service", "", 400, "is no unit name"},
		{"name too long", "GET", "/units/" + long + ".service", "", 400, "at most 255"},
		{"unit that is not there", "GET", "/units/nothing.service", "", 404, "not found"},
		{"bad name in a list", "GET", "/units?unit=web", "", 400, "is no unit name"},
		{"too many names", "GET", "/units?" + strings.Repeat("unit=a.service&", maxNames+1), "", 400, "at most 5000"},
		{"watch of nothing", "GET", "/watch", "", 400, "a watch of nothing"},
		{"no body", "PUT", "/units/web.service", "", 400, "not as expected"},
		{"body is no JSON", "PUT", "/units/web.service", "desired=launched", 400, "not as expected"},
		{"body of another shape", "PUT", "/units/web.service", `["launched"]`, 400, "not as expected"},
		{"unknown field", "PUT", "/units/web.service", `{"desiredState":"launched"}`, 400, "desiredState"},
		{"supersede is no number", "PUT", "/units/web.service", `{"desired":"launched","supersede":"7"}`, 400, "supersede"},
		{"two bodies", "PUT", "/units/web.service", `{"desired":"launched"}{}`, 400, "goes on behind its end"},
		{"body is not UTF-8", "PUT", "/units/web.service", "{\"desired\":\"launched\",\"text\":\"\xff\"}", 400, "not UTF-8"},
		{"by of two lines", "PUT", "/units/web.service", `{"desired":"launched","by":"a\nb"}`, 400, "by is not a line"},
		{"by too long", "PUT", "/units/web.service", `{"desired":"launched","by":"` + long + `"}`, 400, "by is not a line"},
		{"body too large", "PUT", "/units/web.service", strings.Repeat(" ", maxBodyBytes+1), 413, "larger than"},
		{"machine is no id", "PATCH", "/machines/core-01/labels", `{"reset":true}`, 400, "is no machine id"},
		{"labels are no JSON", "PATCH", "/machines/" + string(here) + "/labels", `region=eu`, 400, `expected {\"set\"`},
		{"labels of an unknown field", "PATCH", "/machines/" + string(here) + "/labels", `{"region":"eu"}`, 400, "region"},
		{"labels that change nothing", "PATCH", "/machines/" + string(here) + "/labels", `{}`, 400, "a change of nothing"},
		{"label without a value", "PATCH", "/machines/" + string(here) + "/labels", `{"set":{"a":""}}`, 400, "label a has no value"},
		{"labels read", "GET", "/machines/" + string(here) + "/labels", "", 405, "it takes PATCH"},
		{"away is no truth", "GET", "/machines?away=1x", "", 400, "expected true or false"},
		{"why of no unit", "GET", "/units/nothing.service/why", "", 404, "not found"},
		{"why of no name", "GET", "/units/web/why", "", 400, "expected a suffix"},
		{"why that is not known yet", "GET", "/units/nowhere.service/why", "", 503, "has not heard of it yet"},
		{"parameter of a write", "PUT", "/units/web.service?force=true", `{}`, 400, "there are no parameters here"},
		{"lines is no number", "GET", "/units/web.service/journal?lines=ten", "", 400, "expected a number"},
		{"lines beyond bounds", "GET", "/units/web.service/journal?lines=1000001", "", 400, "expected a number"},
		{"follow is no truth", "GET", "/units/web.service/journal?follow=maybe", "", 400, "expected true or false"},
		{"output is not known", "GET", "/units/web.service/journal?output=--all", "", 400, "expected one of short"},
		{"machine that is not there", "GET", "/units/web.service/status?machine=" + strings.Repeat("0", 32), "", 404, "not found"},
		{"unit on no machine", "GET", "/units/nowhere.service/status", "", 404, "is on no machine: no machine is up"},
		{"machine without an address", "GET", "/units/far.service/status", "", 502, "core-02 has not told where"},
		{"limit below bounds", "GET", "/units?limit=0", "", 400, "expected a number from 1 to 10000"},
		{"limit beyond bounds", "GET", "/machines?limit=10001", "", 400, "expected a number from 1 to 10000"},
		{"names and how they begin", "GET", "/units?unit=web.service&prefix=w", "", 400, "unit with prefix"},
		{"away and how they begin", "GET", "/machines?away=true&prefix=w", "", 400, "away with prefix"},
		{"cursors of a journal that ends", "GET", "/units/web.service/journal?cursors=true", "", 400, "cursors without follow"},
		{"cursors is no truth", "GET", "/units/web.service/journal?follow=true&cursors=2", "", 400, "expected true or false"},
		{"after is no cursor", "GET", "/units/web.service/journal?after=a%20b", "", 400, "after is no cursor"},
		{"after is too long", "GET", "/units/web.service/journal?after=" + strings.Repeat("x", 513), "", 400, "after is no cursor"},
		{"restart by the wrong method", "GET", "/units/web.service/restart", "", 405, "it takes POST"},
		{"restart on no machine", "POST", "/units/global.service/restart", "", 400, "no machine is named"},
		{"restart on what is no machine", "POST", "/units/global.service/restart?machine=core-01", "", 400, "core-01"},
		{"restart with an unknown word", "POST", "/units/global.service/restart?force=true", "", 400, "is not known here"},
		{"restart of no unit", "POST", "/units/x/restart?machine=" + string(here), "", 400, "is no unit name"},
		{"restart of an unknown unit", "POST", "/units/none.service/restart?machine=" + string(here), "", 404, "not found"},
		{"restart where it is not placed", "POST", "/units/web.service/restart?machine=" + string(here), "", 409, "is not launched on machine"},
		{"restart where it is loaded", "POST", "/units/loaded.service/restart?machine=" + string(here), "", 409, "is not launched on machine"},
		{"restart elsewhere than placed", "POST", "/units/global.service/restart?machine=" + strings.Repeat("0", 32), "", 409, "is not launched on machine"},
		{"journal that cannot be read", "GET", "/units/web.service/journal?output=json", "", 500, "journal of web.service on core-01: journalctl: no entries"},
	} {
		response, text := ask(t, c, b.method, base+b.path, b.body)
		var body api.ErrorBody
		if err := json.Unmarshal([]byte(text), &body); err != nil || body.Error == nil {
			t.Errorf("%s: answer %q is no error in JSON", b.name, text)
			continue
		}
		if response.StatusCode != b.code || body.Error.Code != b.code || !strings.Contains(text, b.says) {
			t.Errorf("%s: %d %s, want %d with %q", b.name, response.StatusCode, text, b.code, b.says)
		}
		if said := body.Error.Message; body.Error.Hint == "" && !strings.Contains(said, "expected") && !strings.Contains(said, "is no unit name") && !strings.Contains(said, "not found") {
			t.Errorf("%s: %s: it does not say what to do", b.name, said)
		}
	}
	if response, text := ask(t, c, "PUT", base+"/units/web.service", `{"desired":"launched"}`, "Content-Type", "text/plain"); response.StatusCode != 415 {
		t.Errorf("PUT of text/plain: %d %s, want 415", response.StatusCode, text)
	}
	if f.lastBy() != "" {
		t.Errorf("something was written by %q", f.lastBy())
	}
}

func TestReadsAndWrites(t *testing.T) {
	f := &fakeRegistry{}
	c := onSocket(t, member(f))
	for path, says := range map[string]string{
		"/machines":                 string(there),
		"/machines?prefix=core-":    "{Prefix:core- Most:0}",
		"/units?unit=a.service":     `"name":"a.service"`,
		"/units?prefix=&limit=7":    "{Prefix: Most:7}",
		"/units?prefix=a&limit=300": "{Prefix:a Most:300}",
		"/units/web.service":        `"name":"web.service"`,
		"/states?minRevision=3":     `"states"`,
		"/units/far%5Cx2d.service":  "not found",
		"/units/web.service/status": "web.service on core-01",
	} {
		if _, text := ask(t, c, "GET", base+path, ""); !strings.Contains(text, says) {
			t.Errorf("GET %s: %s, want %q", path, text, says)
		}
	}
	text := `[Service]\nExecStart=/bin/echo <&>\n`
	if response, answer := ask(t, c, "PUT", base+"/units/new.service", `{"text":"`+text+`","desired":"launched","by":"deploy"}`); response.StatusCode != 201 {
		t.Errorf("PUT: %d %s", response.StatusCode, answer)
	}
	if want := "user " + me(t) + " on core-01 for deploy"; f.lastBy() != want {
		t.Errorf("written by %q, want %q", f.lastBy(), want)
	}
	if got := *f.changes[0].Text; got != "[Service]\nExecStart=/bin/echo <&>\n" {
		t.Errorf("text %q", got)
	}
	if response, answer := ask(t, c, "DELETE", base+"/units/new.service", ""); response.StatusCode != 200 {
		t.Errorf("DELETE: %d %s", response.StatusCode, answer)
	}
	if response, _ := ask(t, c, "HEAD", base+"/machines", ""); response.StatusCode != 200 || response.Header.Get("Server") != "fleetd/1" {
		t.Errorf("HEAD: %d, %v", response.StatusCode, response.Header)
	}
	f.mu.Lock()
	f.away = true
	f.mu.Unlock()
	if response, answer := ask(t, c, "GET", base+"/machines", ""); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("GET without a view: %d %s", response.StatusCode, answer)
	}
}

func TestOutputEndsWithTrailers(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	status, _ := ask(t, c, "GET", base+"/units/web.service/status", "")
	if got := status.Trailer.Get(api.ExitTrailer); got != "3" {
		t.Errorf("status: exit trailer %q, want 3", got)
	}
	journal, text := ask(t, c, "GET", base+"/units/web.service/journal?lines=5", "")
	if journal.Trailer.Get(api.ExitTrailer) != "0" || text != "web.service on core-01, last 5\n" {
		t.Errorf("journal: %q, trailers %v", text, journal.Trailer)
	}
	broken, _ := ask(t, c, "GET", base+"/units/web.service/journal?output=cat", "")
	if got := broken.Trailer.Get(api.ErrorTrailer); got != "journal of web.service on core-01: journalctl: bad entry" {
		t.Errorf("broken journal: error trailer %q", got)
	}
}

// TestJournalWithCursors is a stream of JSON values, the first of which says that
// the journal is open.
func TestJournalWithCursors(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	response, err := c.Get(base + "/units/web.service/journal?follow=true&cursors=true&after=s=1%3Bi=2&lines=0")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for _, want := range []string{"{}\n", `{"text":"d2ViLnNlcnZpY2Ugb24gY29yZS0wMQo=","cursor":"s=1;i=2c"}` + "\n"} {
		if line, err := lines.ReadString('\n'); line != want || err != nil {
			t.Errorf("%q, %v; want %q", line, err, want)
		}
	}
	if kind := response.Header.Get("Content-Type"); kind != api.MediaLines {
		t.Errorf("it calls itself %s", kind)
	}
	broken, text := ask(t, c, "GET", base+"/units/web.service/journal?follow=true&cursors=true&output=json", "")
	if got := broken.Trailer.Get(api.ErrorTrailer); text != "{}\n" || got != "journal of web.service on core-01: journalctl: no entries" {
		t.Errorf("broken journal: %q, error trailer %q", text, got)
	}
}

// TestStreamsEndWithTheServer opens a watch and a journal; serve's clean-up then
// fails the test unless the server ends them.
func TestStreamsEndWithTheServer(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	for _, path := range []string{"/watch?unit=web.service&unit=web.service", "/units/web.service/journal?follow=true"} {
		response, err := c.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		line, err := bufio.NewReader(response.Body).ReadString('\n')
		if err != nil || !strings.Contains(line, "web.service") {
			t.Errorf("%s: first line %q, %v", path, line, err)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	a := member(&fakeRegistry{})
	c := onSocket(t, a)
	for range maxStreams {
		a.streams <- struct{}{}
	}
	for _, path := range []string{"/watch?unit=web.service", "/units/web.service/journal"} {
		if response, text := ask(t, c, "GET", base+path, ""); response.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
}

func TestHealth(t *testing.T) {
	f := &fakeRegistry{}
	a := member(f)
	c := onSocket(t, a)
	for path, says := range map[string]string{
		"/healthz": "ok", "/readyz": "ok", "/readyz?verbose": "[+] view ok", "/metrics": "argosy_api_view_age_seconds 0",
	} {
		if response, text := ask(t, c, "GET", "http://fleet"+path, ""); response.StatusCode != 200 || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	f.away = true
	if response, text := ask(t, c, "GET", "http://fleet/readyz", ""); response.StatusCode != 503 || !strings.Contains(text, "[-] view: ") {
		t.Errorf("/readyz without a view: %d %s", response.StatusCode, text)
	}
}
