package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// FuzzRequest gives the handler what strangers may send. It must answer, with
// no error of its own, and write nothing that could not be stored.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/units/web.service", "minRevision=1", ""},
		{"PUT", "/units/web.service", "", `{"text":"[Unit]\n","desired":"launched"}`},
		{"PUT", "/units/web.service", "", `{"desired":"launched","supersede":7}`},
		{"DELETE", "/units/a@b.service", "", ""},
		{"GET", "/units", "unit=a.service&unit=b.service", ""},
		{"GET", "/units/web.service/journal", "lines=1&output=short", ""},
		{"GET", "/states", "machine=148a18ff6e954cd892dac9de9bb90d5a", ""},
		{"PATCH", "/machines/148a18ff6e954cd892dac9de9bb90d5a/labels", "", `{"set":{"region":"us"},"remove":["disk"],"dryRun":true}`},
		{"GET", "/machines", "away=true", ""},
		{"GET", "/units", "limit=1&continue=" + api.Continue{List: "units", Holder: here, From: api.From{Revision: 7}}.Token(), ""},
		{"GET", "/units/web.service/why", "", ""},
		{"GET", "/policy", "", ""},
		{"PUT", "/policy", "", `{"keys":["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHO6d9SSOOZpJo03MkviDuQXEKAB1yoyZf0mfxL/KmDy alice"],"digests":true}`},
		{"GET", "/secrets", "", ""},
		{"GET", "/secrets/db", "unit=web.service", ""},
		{"PUT", "/secrets/db", "", `{"value":"aHVudGVyMg==","units":["web@*.service"]}`},
		{"PUT", "/secrets/db", "", `{"from":-1}`},
		{"DELETE", "/secrets/..%2fdb", "force=true", ""},
		{"GET", "/../units//x", "a=%zz", "\xff"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		registry := &fakeRegistry{}
		ctx := context.WithValue(t.Context(), peerKey{}, peer{user: "core"})
		r := (&http.Request{
			Method: method, URL: &url.URL{Path: api.Base + path, RawQuery: query}, Body: http.NoBody,
			Header: http.Header{"Content-Type": {"application/json"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(ctx)
		r.Body = &readCloser{strings.NewReader(body)}
		if strings.Contains(path, "watch") || strings.Contains(query, "follow") {
			ended, end := context.WithCancel(ctx)
			end()
			r = r.WithContext(ended)
		}
		w := httptest.NewRecorder()
		serving := member(registry)
		secrets := &fakeSecrets{}
		serving.config.Secrets = secrets
		serving.ServeHTTP(w, r)
		if w.Code == http.StatusUnauthorized {
			t.Fatalf("who asks was not seen: %s", w.Body)
		}
		// 502 is the far machine of the fake, 500 its journal.
		if w.Code == http.StatusInternalServerError && !strings.Contains(w.Body.String(), "journalctl") {
			t.Errorf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
		}
		for _, change := range registry.changes {
			if change.Text != nil && !utf8.ValidString(*change.Text) {
				t.Errorf("stored what is not UTF-8: %q", *change.Text)
			}
		}
		if strings.Contains(w.Body.String(), "aHVudGVyMg") {
			t.Errorf("%s %s?%s tells a value: %s", method, path, query, w.Body)
		}
		for _, name := range secrets.named {
			if _, err := cluster.ParseSecretName(string(name)); err != nil {
				t.Errorf("%s %s?%s: the secret %q", method, path, query, name)
			}
		}
	})
}

// FuzzVouch gives a member's word for who asks, as a member that runs wild would.
func FuzzVouch(f *testing.F) {
	for _, claimed := range []string{"", "{}", "null", `{"name":"alice","role":"operator","units":["web*"],"from":"10.0.0.1"}`, `{"name":"a\nb","role":"admin"}`, `{"name":"a","role":"root"}`, "\xff"} {
		f.Add(claimed)
	}
	member := access.Caller{Who: access.Identity{Kind: access.Member, Name: string(here)}}
	f.Fuzz(func(t *testing.T, claimed string) {
		by, err := vouchedFor(claimed, member)
		if err != nil {
			return
		}
		if _, bad := access.ParseRole(string(by.Account.Role)); bad != nil || by.Account.Name == "" || strings.ContainsAny(by.Account.Name+by.From, "\r\n\x00") || by.Who != member.Who {
			t.Errorf("%q is %+v", claimed, by)
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
