package httpapi

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// fakeSecrets knows db, which web.service on there is given, and tells who asked.
type fakeSecrets struct {
	mu    sync.Mutex
	did   []string
	named []cluster.SecretName
}

func (f *fakeSecrets) Secrets(context.Context) (api.Secrets, error) {
	return api.Secrets{Secrets: []api.Secret{{Name: "db", Version: 2, Kept: []int64{1, 2}, Keys: []string{"k"}}}}, nil
}

func (f *fakeSecrets) note(name cluster.SecretName, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did, f.named = append(f.did, fmt.Sprintf(format, args...)), append(f.named, name)
}

func (f *fakeSecrets) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.did) == 0 {
		return ""
	}
	return f.did[len(f.did)-1]
}

func (f *fakeSecrets) SetSecret(_ context.Context, by access.Caller, name cluster.SecretName, change api.SecretChange) (api.SecretWritten, error) {
	f.note(name, "%s sets %s to %q, from %d", by.Account.Name, name, change.Value, change.From)
	return api.SecretWritten{Name: name, Version: 1, Created: name == "new", Changed: true}, nil
}

func (f *fakeSecrets) RemoveSecret(_ context.Context, by access.Caller, name cluster.SecretName, force bool) (api.SecretWritten, error) {
	f.note(name, "%s removes %s: %v", by.Account.Name, name, force)
	return api.SecretWritten{Name: name, Changed: true}, nil
}

func (f *fakeSecrets) SecretFor(_ context.Context, machine cluster.MachineID, unit cluster.UnitName, name cluster.SecretName) (api.SecretValue, error) {
	if machine != there || unit != "web.service" || name != "db" {
		return api.SecretValue{}, &api.Error{Code: http.StatusForbidden, Message: fmt.Sprintf("%s has no %s for %s", machine, name, unit)}
	}
	return api.SecretValue{Version: 2, Value: []byte("hunter2")}, nil
}

// fakeKeys has k2.
type fakeKeys struct{}

func (fakeKeys) Held() ([]string, error) { return []string{"k2", "k1"}, nil }

func (fakeKeys) Give(to cluster.MachineID, id string) (string, error) {
	if id != "k2" {
		return "", fmt.Errorf("read the key %q: %w", id, fs.ErrNotExist)
	}
	return "k2 the-key-for-" + string(to) + "\n", nil
}

// TestKeysAreForMembers: a member is told of keys and given one, for itself. Nobody else
// is, whatever their role, and nothing may keep the answer.
func TestKeysAreForMembers(t *testing.T) {
	p := newPKI(t)
	m := member(&fakeRegistry{})
	at := "https://" + p.onTLS(m) + api.Base + "/keys"
	const vouched = `{"name":"alice","role":"admin","from":"socket"}`
	other := p.clientFor(string(there), access.Member)
	for _, c := range []struct {
		client  *http.Client
		query   string
		code    int
		says    string
		headers []string
	}{
		{other, "", 200, `{"held":["k2","k1"]}`, nil},
		{other, "?id=k2", 200, `{"held":["k2","k1"],"line":"k2 the-key-for-` + string(there) + `\n"}`, nil},
		{other, "?id=k9", 404, `this member has no key \"k9\"`, nil},
		{other, "?id=../k2", 404, `this member has no key \"../k2\"`, nil},
		{other, "?id=k2&id=k1", 400, "is given 2 times", nil},
		{other, "?key=k2", 400, `parameter \"key\" is not known here`, nil},
		{other, "?id=k2", 403, "alice may not ask this: keys are for members", []string{api.ByHeader, vouched}},
		{p.clientFor(string(there), access.Worker), "?id=k2", 403, "may not ask this: keys are for members", nil},
		{p.clientFor(string(there), access.Local), "?id=k2", 403, "may not ask this", nil},
		{p.clientFor("alice", access.Person), "?id=k2", 403, "alice may not ask this", nil},
	} {
		response, text := ask(t, c.client, "GET", at+c.query, "", c.headers...)
		if response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, want %d %s", c.query, response.StatusCode, text, c.code, c.says)
		}
		if given := strings.Contains(text, "the-key-for"); given != strings.Contains(c.says, "the-key-for") {
			t.Errorf("%s: answered %s", c.query, text)
		}
		if c.code == 200 && response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a key may be kept: %v", c.query, response.Header)
		}
	}
	if response, text := ask(t, onSocket(t, m), "GET", base+"/keys?id=k2", ""); response.StatusCode != 403 || strings.Contains(text, "the-key-for") {
		t.Errorf("on the socket: %d %s", response.StatusCode, text)
	}
}

// TestWhoMayWithSecrets: admins set and remove, whoever may read lists, and a machine
// alone is given a value, for itself.
func TestWhoMayWithSecrets(t *testing.T) {
	p, f := newPKI(t), &fakeSecrets{}
	m := member(&fakeRegistry{})
	m.config.Secrets = f
	at := "https://" + p.onTLS(m) + api.Base + "/secrets"
	person := func(name string) *http.Client { return p.clientFor(name, access.Person) }
	worker, other := p.clientFor(string(there), access.Worker), p.clientFor(string(here), access.Worker)
	const vouched = `{"name":"alice","role":"admin","from":"socket"}`
	value := `{"value":"aHVudGVyMg=="}`
	for _, c := range []struct {
		client             *http.Client
		method, path, body string
		code               int
		says               string
		headers            []string
	}{
		{person("victor"), "GET", "", "", 200, `"name":"db"`, nil},
		{person("nobody"), "GET", "", "", 403, "nobody may not read", nil},
		{worker, "GET", "", "", 403, "may not read", nil},
		{person("alice"), "PUT", "/db", value, 200, `"version":1`, nil},
		{person("alice"), "PUT", "/new", value, 201, `"created":true`, nil},
		{person("alice"), "DELETE", "/db?force=true", "", 200, `"changed":true`, nil},
		{person("oscar"), "PUT", "/db", value, 403, "oscar is an operator", nil},
		{person("oscar"), "DELETE", "/db", "", 403, "oscar is an operator", nil},
		{worker, "PUT", "/db", value, 403, "may not", nil},
		{worker, "GET", "/db?unit=web.service", "", 200, `{"version":2,"value":"aHVudGVyMg=="}`, nil},
		{p.clientFor(string(there), access.Member), "GET", "/db?unit=web.service", "", 200, `"value":"aHVudGVyMg=="`, nil},
		{other, "GET", "/db?unit=web.service", "", 403, string(here) + " has no db for web.service", nil},
		{worker, "GET", "/tls?unit=web.service", "", 403, "has no tls", nil},
		{person("alice"), "GET", "/db?unit=web.service", "", 403, "alice may not ask this", nil},
		{p.clientFor(string(there), access.Local), "GET", "/db?unit=web.service", "", 403, "may not ask this", nil},
		{p.clientFor(string(there), access.Member), "GET", "/db?unit=web.service", "", 403, "alice may not ask this", []string{api.ByHeader, vouched}},
		{worker, "GET", "/db", "", 400, "0 units are named", nil},
		{worker, "GET", "/db?unit=a.service&unit=b.service", "", 400, "2 units are named", nil},
		{worker, "GET", "/db?unit=../x", "", 400, "is no unit name", nil},
		{worker, "GET", "/..%2funits?unit=web.service", "", 400, "is no secret's name", nil},
		{person("alice"), "PUT", "/a%20b", value, 400, "is no secret's name", nil},
		{person("alice"), "PUT", "/db", `{"value":"?"}`, 400, "the body is not as expected", nil},
		{person("alice"), "PUT", "/db", `{"valu":"aHVudGVyMg=="}`, 400, "the body is not as expected", nil},
		{person("alice"), "DELETE", "/db?force=maybe", "", 400, "expected true or false", nil},
	} {
		response, text := ask(t, c.client, c.method, at+c.path, c.body, append(c.headers, "Content-Type", "application/json")...)
		if response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s: %d %s, want %d %q", c.method, c.path, response.StatusCode, text, c.code, c.says)
		}
		if given := strings.Contains(text, "aHVudGVyMg"); given != (c.method == "GET" && c.code == 200 && c.path != "") {
			t.Errorf("%s %s: answered %s", c.method, c.path, text)
		}
	}
	if did := f.last(); did != "alice removes db: true" {
		t.Errorf("last, %s", did)
	}
	response, _ := ask(t, worker, "GET", at+"/db?unit=web.service", "")
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a value may be kept: %v", response.Header)
	}
	if response, text := ask(t, onSocket(t, m), "GET", base+"/secrets/db?unit=web.service", ""); response.StatusCode != 403 || strings.Contains(text, "aHVudGVyMg") {
		t.Errorf("on the socket: %d %s", response.StatusCode, text)
	}
}
