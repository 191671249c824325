package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/edge/authority"
	"argosy/edge/client"
)

func TestClaims(t *testing.T) {
	p := newPKI(t)
	var asked []api.Identity
	own := api.Identity{Machine: here, BootID: "boot-1", Name: "core-01", Address: "10.0.0.1"}
	holder := New(Config{Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01", Version: "1", IdentityOf: authority.IdentityOf, Claimed: func(by api.Identity) api.Identity {
		asked = append(asked, by)
		return own
	}})
	at := p.onTLS(holder)
	c, err := client.New(client.Config{Endpoints: []string{"https://" + at}, TLS: p.tlsFor(string(there), access.Worker)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	by := api.Identity{Machine: here, BootID: "boot-2", Name: "core-02", Address: "10.0.0.2"}
	if got, err := c.Claim(t.Context(), by); err != nil || got != own || len(asked) != 1 || asked[0] != by {
		t.Errorf("%+v, %v; asked %+v", got, err, asked)
	}

	url := "https://" + at + api.Base + "/claims"
	operator := p.clientFor("alice", access.Person)
	if response, text := ask(t, operator, "POST", url, `{}`, "Content-Type", "application/json"); response.StatusCode != 403 || !strings.Contains(text, "alice may not ask this: machines ask it of each other") {
		t.Errorf("an operator: %d %s", response.StatusCode, text)
	}
	machine := p.clientFor(string(there), access.Member)
	for body, says := range map[string]string{
		"":                        "the body is not as expected",
		`{"id":"x"}`:              "unknown field",
		`{"machine":"core-01"}`:   "is no machine id",
		`{}{}`:                    "goes on behind its end",
		"\xff":                    "not UTF-8",
		identity("name", "a\\nb"): "name is not a line of 1 to 256 printable bytes",
		identity("bootID", ""):    "bootID is not a line",
		identity("address", strings.Repeat("a", 257)): "address is not a line",
	} {
		if response, text := ask(t, machine, "POST", url, body, "Content-Type", "application/json"); response.StatusCode != 400 || !strings.Contains(text, says) {
			t.Errorf("%q: %d %s, want %q", body, response.StatusCode, text, says)
		}
	}
	if response, _ := ask(t, machine, "GET", url, ""); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", response.StatusCode)
	}
	if len(asked) != 1 {
		t.Errorf("what was refused was asked all the same: %+v", asked)
	}
}

// identity is a good one but for one field.
func identity(field, value string) string {
	text := `{"machine":"` + string(here) + `","bootID":"b","name":"n","address":"a"}`
	for _, f := range []string{"bootID", "name", "address"} {
		if f == field {
			before, after, _ := strings.Cut(text, `"`+f+`":"`)
			return before + `"` + f + `":"` + value + after[1:]
		}
	}
	return text
}

func TestRoot(t *testing.T) {
	c := onSocket(t, member(&fakeRegistry{}))
	for path, code := range map[string]int{"/": 405, "/nothing": 404, "/fleet": 404} {
		if response, text := ask(t, c, "GET", "http://fleet"+path, ""); response.StatusCode != code || response.Header.Get("Server") != "fleetd/1" {
			t.Errorf("GET %s: %d %s, want %d", path, response.StatusCode, text, code)
		}
	}
}
