package v2keys

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"argosy/core/v2auth"
)

// Whatever a request says, the answer is one of etcd 2's: JSON, and a status that
// blames the client for it.
func FuzzRequests(f *testing.F) {
	f.Add("PUT", "/a", "", "value=x")
	f.Add("PUT", "/a/../b//c", "prevExist=true", "dir=true&ttl=-1")
	f.Add("POST", "/a", "ttl=99999999999999999999", "value=%zz")
	f.Add("GET", "/", "recursive=true&sorted=maybe", "")
	f.Add("DELETE", "/a", "prevIndex=-1&prevValue=", "")
	f.Add("PUT", "/_\x00\xff", "refresh=true", "ttl=1&value=\x00")
	f.Fuzz(func(t *testing.T, method, path, query, form string) {
		for _, text := range []string{query, form} {
			if asked, _ := url.ParseQuery(text); asked.Has("wait") {
				return // it lasts until somebody writes
			}
		}
		r, err := http.NewRequest(http.MethodPost, "http://there/v2/keys", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Method, r.URL.Path, r.URL.RawQuery = method, "/v2/keys"+path, query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		(&Handler{Keys: NewMemory(0, time.Now), ClusterID: "cafe", Now: time.Now}).ServeHTTP(answer, r)
		if answer.Code >= http.StatusInternalServerError && answer.Code != http.StatusNotImplemented {
			t.Errorf("%s %q?%q %q: %d %s", method, path, query, form, answer.Code, answer.Body)
		}
		kind := answer.Header().Get("Content-Type")
		if strings.Contains(kind, "json") && method != http.MethodHead && !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%s %q?%q %q: no JSON: %q", method, path, query, form, answer.Body)
		}
	})
}

// The members and security APIs take JSON.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{"", "{}", "null", `{"peerURLs":["http://10.0.0.1:2380"]}`, `{"peerURLs":["://",""]}`, `{"user":"root","password":"x","roles":["a"]}`, `{"permissions":{"kv":{"read":["/*"]}}}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		asked := func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "http://there/v2/members", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			return r
		}
		urls, err := peerURLs(httptest.NewRecorder(), asked())
		for _, one := range urls {
			if at, bad := url.Parse(one); bad != nil || at.Host == "" || at.Path != "" {
				t.Errorf("%q names the member %q", body, one)
			}
		}
		var user v2auth.User
		if readJSON(httptest.NewRecorder(), asked(), &user) != json.Valid([]byte(body)) && err == nil {
			t.Errorf("%q is a member and no user", body)
		}
	})
}
