package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestLabels(t *testing.T) {
	f := &fakeRegistry{}
	c := onSocket(t, member(f))
	const path = base + "/machines/" + string(here) + "/labels"
	const moves = `"consequences":[{"unit":"web.service","from":"` + string(here) + `","to":"` + string(there) + `","reason":"has region=eu"}]`
	for _, try := range []struct {
		body, says string
		code       int
		written    bool
	}{
		{`{"set":{"region":"us"},"dryRun":true}`, moves, 200, false},
		{`{"set":{"region":"us"},"remove":["disk"]}`, moves, 200, true},
		{`{"set":{"disk":"ssd"}}`, `"metadata":{"disk":"ssd"}`, 200, true},
		{`{"set":{"region":"gone"}}`, "tell what moves", 503, false},
		{`{"set":{"region":"us"},"remove":["region"]}`, "is set and removed", 400, false},
	} {
		f.by = nil
		response, text := ask(t, c, "PATCH", path, try.body)
		if response.StatusCode != try.code || !strings.Contains(text, try.says) || (f.lastBy() != "") != try.written {
			t.Errorf("%s: %d %s, written by %q", try.body, response.StatusCode, text, f.lastBy())
		}
	}
	if _, text := ask(t, c, "PATCH", strings.ReplaceAll(path, string(here), string(there)), `{"set":{"region":"us"}}`); !strings.Contains(text, `"away":true`) || strings.Contains(text, "consequences") {
		t.Errorf("a machine that is away: %s", text)
	}
}

func TestWhy(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	if _, text := ask(t, c, "GET", base+"/units/web.service/why", ""); !strings.Contains(text, `"summary":"it is here"`) || !strings.Contains(text, `"ageSeconds"`) {
		t.Errorf("%s", text)
	}
}

// TestNoScheduler: a machine that is no member tells nothing of the cluster, and a member without a
// scheduler says so.
func TestNoScheduler(t *testing.T) {
	p := newPKI(t)
	f := &fakeRegistry{}
	worker := onSocket(t, p.worker(p.onTLS(member(f))))
	mute := member(f)
	mute.config.Explainer = nil
	bare := onSocket(t, mute)
	const labels = "/machines/" + string(here) + "/labels"
	for _, c := range []struct {
		client             *http.Client
		method, path, body string
		code               int
	}{
		{worker, "GET", "/units/web.service/why", "", 403},
		{worker, "PATCH", labels, `{"set":{"region":"us"}}`, 403},
		{bare, "GET", "/units/web.service/why", "", 501},
		{bare, "PATCH", labels, `{"set":{"region":"us"},"dryRun":true}`, 501},
		{bare, "PATCH", labels, `{"set":{"region":"us"}}`, 200},
	} {
		if response, text := ask(t, c.client, c.method, base+c.path, c.body); response.StatusCode != c.code {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, response.StatusCode, text)
		}
	}
	if by := f.lastBy(); !strings.HasSuffix(by, "core-01") {
		t.Errorf("the last write was by %q", by)
	}
}
