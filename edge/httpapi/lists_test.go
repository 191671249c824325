package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// pages reads a list page by page and returns the raw answers.
func pages(t *testing.T, c *http.Client, path string) []string {
	t.Helper()
	var all []string
	for next := ""; len(all) < 5; {
		response, text := ask(t, c, "GET", base+path+next, "")
		if response.StatusCode != 200 {
			t.Fatalf("%s%s: %d %s", path, next, response.StatusCode, text)
		}
		all = append(all, text)
		var page api.Page
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		if page.Continue == "" {
			break
		}
		next = "&continue=" + url.QueryEscape(page.Continue)
	}
	return all
}

func TestListsInPages(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	for path, rows := range map[string][2]string{
		"/machines?limit=1":                             {string(here), string(there)},
		"/machines?limit=1&away=true":                   {string(here), string(there)},
		"/units?limit=1":                                {"far.service", "web.service"},
		"/units?limit=1&unit=far.service&unit=b.socket": {"far.service", "web.service"},
		"/states?limit=1":                               {string(here), string(there)},
		"/states?limit=1&machine=" + string(here):       {string(here), string(there)},
	} {
		got := pages(t, c, path)
		if len(got) != 2 || !strings.Contains(got[0], rows[0]) || !strings.Contains(got[1], rows[1]) || strings.Contains(got[1], `"continue"`) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if _, text := ask(t, c, "GET", base+"/units", ""); strings.Contains(text, "continue") {
		t.Errorf("without limit: %s", text)
	}
}

func TestBadPages(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	token := func(list, filter string, revision int64, holder cluster.MachineID) string {
		return url.QueryEscape(api.Continue{List: list, Filter: filter, Holder: holder, From: api.From{Revision: revision, After: api.StateKey{Unit: "a.service"}}}.Token())
	}
	units := token("units", "", 7, here)
	for _, b := range []struct {
		path string
		code int
		says string
	}{
		{"/units?limit=0", 400, "expected a number from 1 to 10000"},
		{"/units?limit=10001", 400, "expected a number from 1 to 10000"},
		{"/units?limit=ten", 400, "expected a number from 1 to 10000"},
		{"/units?continue=" + units, 400, "continue without limit; say limit="},
		{"/units?limit=5&continue=x", 400, "continue is no token of a page; give back what the page before says"},
		{"/units?limit=5&continue=" + units[:len(units)-2], 400, "continue is no token of a page"},
		{"/states?limit=5&continue=" + units, 400, "continue is of the list of units; ask there"},
		{"/units?limit=5&unit=a.service&continue=" + units, 400, "continue is of a list with other parameters"},
		{"/units?limit=5&continue=" + token("units", "", 6, here), 410, "no longer kept; begin again without continue"},
		{"/units?limit=5&continue=" + token("units", "", 7, cluster.MachineID(strings.Repeat("0", 32))), 410, "no longer kept"},
		{"/units?limit=5&continue=" + token("units", "", 7, there), 502, "core-02 has not told where its API is"},
	} {
		response, text := ask(t, c, "GET", base+b.path, "")
		var body api.ErrorBody
		if err := json.Unmarshal([]byte(text), &body); err != nil || response.StatusCode != b.code || !strings.Contains(body.Error.Message+"; "+body.Error.Hint, b.says) {
			t.Errorf("%s: %d %s, want %d %s", b.path, response.StatusCode, text, b.code, b.says)
		}
	}
}

// TestPagesThroughOthers: whoever is asked for a further page passes it on to the
// machine that keeps the list.
func TestPagesThroughOthers(t *testing.T) {
	p := newPKI(t)
	keeper := member(&fakeRegistry{})
	keeper.config.Self = there
	other := &fakeRegistry{far: p.onTLS(keeper), away: true} // would answer nothing itself
	passing := member(other)
	passing.config.TLS = p.tlsFor(string(here), access.Member)
	next := "/units?limit=1&continue=" + url.QueryEscape(api.Continue{
		List: "units", Holder: there, From: api.From{Revision: 7, After: api.StateKey{Unit: "far.service"}},
	}.Token())
	if response, text := ask(t, onSocket(t, passing), "GET", base+next, ""); response.StatusCode != 200 || !strings.Contains(text, "web.service") {
		t.Errorf("%d %s", response.StatusCode, text)
	}
}
