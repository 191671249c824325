//go:build store

package v2cluster

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestEverythingOnOnePort asks each member what programs ask on the client port.
func TestEverythingOnOnePort(t *testing.T) {
	members := start(t, 3)
	web := newWeb()
	defer web.CloseIdleConnections()
	for _, m := range members {
		for path, want := range map[string]string{
			"/health":            `"health":"true"`,
			"/livez":             `^ok`,
			"/readyz":            `^ok`,
			"/version":           `"etcdserver":"3\.7`,
			"/metrics":           `etcd_server_has_leader 1`,
			"/v2/machines":       fmt.Sprintf(`^(http://127\.\S+:2379(, |$)){%d}$`, len(members)),
			"/v2/members":        `^{"members":\[{"id":"[0-9a-f]+","name":"core-0\d","peerURLs":\["http://`,
			"/v2/members/leader": `^{"id":"[0-9a-f]+","name":"core-0\d"`,
			"/v2/stats/self":     fmt.Sprintf(`^{"name":"%s","id":"[0-9a-f]+","state":"State(Leader|Follower)"`, m.name),
			"/v2/stats/store":    `"setsSuccess":[1-9]`,
			"/v2/auth/enable":    `^{"enabled":false}`,
		} {
			text, err := ask(t.Context(), web, http.MethodGet, m.client()+path, nil)
			if err != nil || !regexp.MustCompile(want).Match(text) {
				t.Errorf("%s%s: %.300s %v, expected %s", m.name, path, text, err, want)
			}
		}
		answer, err := web.Post(m.client()+"/v3/kv/put", "application/json", strings.NewReader(`{"key":"YQ==","value":"Yg=="}`))
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: put with JSON: %v %v", m.name, answer, err)
			continue
		}
		_ = answer.Body.Close()
	}
	leaders := 0
	for _, m := range members {
		if _, err := ask(t.Context(), web, http.MethodGet, m.client()+"/v2/stats/leader", nil); err == nil {
			leaders++
		} else if !strings.Contains(err.Error(), `403 Forbidden: {"message":"not current leader"}`) {
			t.Error(err)
		}
	}
	if leaders != 1 {
		t.Errorf("%d members say that they lead", leaders)
	}
}

// TestUntidyPathsAsEtcd asks for paths that a browser would have cleaned. Go's mux
// answers them before any handler is asked.
func TestUntidyPathsAsEtcd(t *testing.T) {
	web := newWeb()
	defer web.CloseIdleConnections()
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ours, reference := start(t, 1)[0], startReference(t, 1)[0]
	answer := func(m *member, method, path string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, m.client()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := web.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %v %q", answer.Status, answer.Header["Location"], body)
	}
	redirects := 0
	for _, path := range []string{"/v2/keys//a", "/v2//keys/a", "//v2/keys/a", "/v2/keys/./a", "/v2/keys/b/../a", "/v2/keys/a//", "/v2/keys/a/.",
		"/v2/keys/../a", "/v2/keys/%2e%2e/a", "/v2/keys/a%2F%2Fb", "/v2/keys//%C3%BC/<", "/v2/keys/../../../x", "/v2/./keys", "/v2//machines",
		"/v2/auth//users", "/v2//members/leader", "/v2/stats/../stats/self", "/v2/keys//a?recursive=true&x=%41&y=%zz"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
			want, got := answer(reference, method, path), answer(ours, method, path)
			if got != want {
				t.Errorf("%s %s: %s, etcd: %s", method, path, got, want)
			}
			if strings.HasPrefix(want, "301 ") {
				redirects++
			}
		}
	}
	if redirects < 50 {
		t.Errorf("%d redirects only: the paths are not what they should be", redirects)
	}
}

// TestUsersHoldOnEveryMember: what one member is told of users, all go by.
func TestUsersHoldOnEveryMember(t *testing.T) {
	members := start(t, 3)
	web := newWeb()
	defer web.CloseIdleConnections()
	as := func(m *member, name string) string {
		if name == "" {
			return m.client()
		}
		return strings.Replace(m.client(), "http://", "http://"+name+":pw@", 1)
	}
	must := func(method, target, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := web.Do(request)
		if err != nil || answer.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %v %v", method, target, answer, err)
		}
		_ = answer.Body.Close()
	}
	must(http.MethodPut, as(members[0], "")+"/v2/auth/users/root", `{"user":"root","password":"pw"}`)
	must(http.MethodPut, as(members[1], "")+"/v2/auth/roles/web", `{"role":"web","permissions":{"kv":{"read":["/web/*"],"write":["/web/*"]}}}`)
	must(http.MethodPut, as(members[2], "")+"/v2/auth/users/bob", `{"user":"bob","password":"pw","roles":["web"]}`)
	must(http.MethodPut, as(members[0], "root")+"/v2/auth/enable", "")
	must(http.MethodDelete, as(members[0], "root")+"/v2/auth/roles/guest", "")
	for _, m := range members {
		m.refuses(t, web) // until its watch has told it
		for name, may := range map[string]bool{"root": true, "bob": false} {
			_, err := ask(t.Context(), web, http.MethodPut, as(m, name)+"/v2/keys/other", url.Values{"value": {"x"}})
			if (err == nil) != may {
				t.Errorf("%s writes /other on %s: %v", name, m.name, err)
			}
		}
		if _, err := ask(t.Context(), web, http.MethodPut, as(m, "bob")+"/v2/keys/web/x", url.Values{"value": {"x"}}); err != nil {
			t.Errorf("bob writes /web/x on %s: %v", m.name, err)
		}
	}
}
