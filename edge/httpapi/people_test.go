package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// fakePeople tells who asked for what.
type fakePeople struct {
	mu  sync.Mutex
	did []string
}

func (f *fakePeople) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
}

func (f *fakePeople) People(context.Context) (api.People, error) {
	return api.People{People: []api.Person{{Name: "otto", Role: access.Operator}}}, nil
}

func (f *fakePeople) SetPerson(_ context.Context, by access.Caller, name string, change api.PersonChange) (api.PersonWritten, error) {
	f.note("%s sets %s to %s %v", by.Account.Name, name, change.Role, change.Units)
	return api.PersonWritten{Name: name, Changed: true}, nil
}

func (f *fakePeople) RemovePerson(_ context.Context, by access.Caller, name string) (api.PersonWritten, error) {
	f.note("%s removes %s", by.Account.Name, name)
	return api.PersonWritten{Name: name, Changed: true}, nil
}

func (f *fakePeople) RevokePerson(_ context.Context, by access.Caller, name string) (api.PersonWritten, error) {
	f.note("%s revokes %s", by.Account.Name, name)
	return api.PersonWritten{Name: name, Changed: true, Generation: 1}, nil
}

func (f *fakePeople) Invite(_ context.Context, by access.Caller, name string, request api.InvitationRequest) (api.Invitation, error) {
	f.note("%s invites %s for %d", by.Account.Name, name, request.Seconds)
	return api.Invitation{Name: name, Token: "a.b"}, nil
}

// fakeAudit keeps what it is told as lines.
type fakeAudit struct {
	mu    sync.Mutex
	lines []string
	full  bool
}

func (f *fakeAudit) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

func (f *fakeAudit) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lines)
}

func (f *fakeAudit) Refused(by access.Caller, verb access.Verb, asked, why string) {
	f.add("%s refused %s %s: %s", by.Account.Name, verb, asked, why)
}

func (f *fakeAudit) Conflicted(by access.Caller, verb access.Verb, asked, why string) {
	f.add("%s conflicts %s %s: %s", by.Account.Name, verb, asked, why)
}

func (f *fakeAudit) Asked(_ context.Context, by access.Caller, unit cluster.UnitName, what string) error {
	if f.full {
		return cluster.ErrUnavailable
	}
	f.add("%s asked: %s %s", by.Account.Name, what, unit)
	return nil
}

func (f *fakeAudit) Entries(_ context.Context, query access.AuditQuery, deliver func(access.Entry) error) error {
	for n := range int64(query.Last) {
		if err := deliver(access.Entry{Revision: query.After + 1 + n, By: "alice", At: query.Since, Outcome: access.Done}); err != nil {
			return err
		}
	}
	if query.After == 99 {
		return cluster.ErrUnavailable
	}
	return nil
}

// TestPeople: admins govern, and a request that is not right says why.
func TestPeople(t *testing.T) {
	p, m := newPKI(t), member(&fakeRegistry{})
	at := "https://" + p.onTLS(m) + api.Base
	alice, oscar := p.clientFor("alice", access.Person), p.clientFor("oscar", access.Person)
	for _, c := range []struct {
		client             *http.Client
		method, path, body string
		code               int
		says               string
	}{
		{alice, "GET", "/people", "", 200, `{"people":[{"name":"otto","role":"operator"`},
		{alice, "PUT", "/people/otto", `{"role":"operator","units":["web*"]}`, 200, `"changed":true`},
		{alice, "POST", "/people/otto/tokens", `{"seconds":60}`, 201, `"token":"a.b"`},
		{alice, "POST", "/people/otto/revoke", "", 200, `"generation":1`},
		{alice, "DELETE", "/people/otto", "", 200, `"changed":true`},
		{alice, "GET", "/audit?after=7&last=2&since=2026-01-31T12:00:00Z", "", 200, `{"revision":9,"at":"2026-01-31T12:00:00Z","by":"alice"`},
		{alice, "GET", "/audit", "", 200, ""},
		{alice, "GET", "/audit?after=99", "", 503, "the store cannot be reached"},
		{oscar, "GET", "/people", "", 403, "oscar is an operator and may not see or change who may do what"},
		{oscar, "PUT", "/people/oscar", `{"role":"admin"}`, 403, "it takes an admin: an admin may say so with 'argosy user role oscar admin'"},
		{oscar, "GET", "/audit", "", 403, "oscar is an operator"},
		{alice, "PUT", "/people/Otto", `{"role":"operator"}`, 400, `\"Otto\" is no person's name`},
		{alice, "DELETE", "/people/a%2fb", "", 400, `\"a/b\" is no person's name`},
		{alice, "POST", "/people/-/revoke", "", 400, `\"-\" is no person's name`},
		{alice, "POST", "/people/-/tokens", "{}", 400, `\"-\" is no person's name`},
		{alice, "PUT", "/people/otto", `{"roles":["admin"]}`, 400, "the body is not as expected"},
		{alice, "PUT", "/people/otto", ``, 400, "the body is not as expected"},
		{alice, "POST", "/people/otto/tokens", `{"seconds":"x"}`, 400, "the body is not as expected"},
		{alice, "GET", "/audit?after=-1", "", 400, "expected a number from 0"},
		{alice, "GET", "/audit?last=100001", "", 400, "expected a number from 0 to 100000"},
		{alice, "GET", "/audit?limit=1", "", 400, `\"limit\" is not known`},
		{alice, "GET", "/audit?since=yesterday", "", 400, "since is no moment"},
		{alice, "DELETE", "/audit", "", 405, "it takes GET"},
	} {
		response, text := ask(t, c.client, c.method, at+c.path, c.body, "Content-Type", "application/json")
		if response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s: %d %s, want %d %q", c.method, c.path, response.StatusCode, text, c.code, c.says)
		}
	}
	want := []string{"alice sets otto to operator [web*]", "alice invites otto for 60", "alice revokes otto", "alice removes otto"}
	if did := m.config.People.(*fakePeople).did; !slices.Equal(did, want) {
		t.Errorf("%q, want %q", did, want)
	}
}

// TestRefusalsAreRecorded, whoever is refused, and what a machine is asked to do.
func TestRefusalsAreRecorded(t *testing.T) {
	p, m := newPKI(t), member(&fakeRegistry{})
	known := m.config.Access.(*fakeAccess)
	known.now.Revoked = map[access.Subject]access.Revocation{{Person: "mallory"}: {Least: 1}}
	at := "https://" + p.onTLS(m) + api.Base
	for _, who := range []string{"victor", "mallory", "nobody", "alice"} {
		ask(t, p.clientFor(who, access.Person), "DELETE", at+"/units/web.service", "")
	}
	ask(t, p.clientFor(string(there), access.Worker), "GET", at+"/units", "")
	socket := onSocket(t, m)
	ask(t, socket, "POST", base+"/units/global.service/restart?machine="+string(here), "")
	ask(t, socket, "POST", base+"/units/loaded.service/restart?machine="+string(here), "")
	audit := m.config.Audit.(*fakeAudit)
	want := []string{
		"victor refused change DELETE /fleet/v2/units/web.service: victor is a viewer and may not change units",
		"mallory refused look DELETE /fleet/v2/units/web.service: the certificate of person mallory is revoked",
		"nobody refused change DELETE /fleet/v2/units/web.service: nobody may not change units",
		"worker " + string(there) + " refused read GET /fleet/v2/units: worker " + string(there) + " may not read the cluster",
		"user " + me(t) + " on core-01 asked: restart on machine " + string(here) + " unit global.service",
		"user " + me(t) + " on core-01 conflicts change POST /fleet/v2/units/loaded.service/restart: unit loaded.service is not launched on machine " + string(here),
	}
	if got := audit.all(); !slices.Equal(got, want) {
		t.Errorf("recorded:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	audit.full = true
	if response, text := ask(t, socket, "POST", base+"/units/global.service/restart?machine="+string(here), ""); response.StatusCode != 503 {
		t.Errorf("a restart that cannot be recorded: %d %s", response.StatusCode, text)
	}
}
