package discovery_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"argosy/edge/discovery"
)

const (
	nobodys = "0123456789abcdef0123456789abcdef" // a token that was never made
	node    = `"expiration":"[^"]+","ttl":\d+`
)

// TestProtocol: what discovery.etcd.io answered, fact by fact. T stands for a
// token of size 5.
func TestProtocol(t *testing.T) {
	service := serve(t, etcd(t), discovery.Config{TTL: discovery.TTL})
	token := newToken(t, service, "?size=5")
	const url = host + "/[0-9a-f]{32}"
	for i, c := range []struct {
		method, path, form string
		status             int
		body               string // a pattern for all of it
		header             string // name: value, or a name that is not there
	}{
		// The pages.
		{"GET", "/", "", 301, `.*`, "Location: https://etcd.io/docs/v2.3/discovery_protocol/"},
		{"GET", "/health", "", 200, `OK`, ""},
		{"POST", "/health", "", 200, `OK`, ""},
		{"GET", "/robots.txt", "", 200, "User-agent: \\*\nDisallow: /", ""},
		{"GET", "/favicon.ico", "", 404, "404 page not found\n", ""},
		// Tokens are made by any method, three members are meant unless it is said.
		{"GET", "/new", "", 200, url, "Content-Type: text/plain; charset=utf-8"},
		{"PUT", "/new", "", 200, url, ""},
		{"POST", "/new", "size=1", 200, url, ""},
		{"DELETE", "/new?size=9", "", 200, url, ""},
		{"GET", "/new?size=", "", 200, url, ""},
		{"GET", "/new?size=100", "", 200, url, ""},
		{"GET", "/new?size=x", "", 400, "strconv.Atoi: parsing \"x\": invalid syntax\n", ""},
		{"PUT", "/new", "size=3.5", 400, "strconv.Atoi: parsing \"3.5\": invalid syntax\n", ""},
		{"GET", "/new?size=99999999999999999999", "", 400, "strconv.Atoi: parsing \"99999999999999999999\": value out of range\n", ""},
		// What is in a token is the keys API's to say.
		{"GET", "/T/_config/size", "", 200, `{"action":"get","node":{"key":"/_etcd/registry/T/_config/size","value":"5","modifiedIndex":\d+,"createdIndex":\d+}}` + "\n", "X-Etcd-Cluster-Id: cafe"},
		{"GET", "/T", "", 200, `{"action":"get","node":{"key":"/_etcd/registry/T","dir":true,` + node + `,"modifiedIndex":\d+,"createdIndex":\d+}}` + "\n", "X-Raft-Index: 7"},
		{"GET", "/T/", "", 200, `{"action":"get","node":{"key":"/_etcd/registry/T","dir":true,.*`, "X-Raft-Term: 2"},
		{"GET", "/T/1", "", 404, `{"errorCode":100,"message":"Key not found","cause":"/_etcd/registry/T/1","index":\d+}` + "\n", "Content-Type: application/json"},
		{"PUT", "/T/1", "value=a%3Dhttp%3A%2F%2F10.0.0.1%3A2380", 201, `{"action":"set","node":{"key":"/_etcd/registry/T/1","value":"a=http://10.0.0.1:2380","modifiedIndex":(\d+),"createdIndex":\d+}}` + "\n", "Content-Type: application/json"},
		{"PUT", "/T/1?prevExist=false", "value=b", 412, `{"errorCode":105,"message":"Key already exists","cause":"/_etcd/registry/T/1","index":\d+}` + "\n", ""},
		{"PUT", "/T/2?prevExist=false&value=c", "", 201, `{"action":"create","node":{"key":"/_etcd/registry/T/2","value":"c",.*`, ""},
		{"GET", "/T", "", 200, `.*"nodes":\[{"key":"/_etcd/registry/T/1","value":"a=http://10.0.0.1:2380",[^}]*},{"key":"/_etcd/registry/T/2","value":"c",[^}]*}\].*`, ""},
		{"GET", "/T/1", "", 200, `.*"value":"a=http://10.0.0.1:2380".*`, ""},
		{"GET", "/T/1/", "", 404, "404 page not found\n", ""},
		{"DELETE", "/T/2", "", 200, `{"action":"delete",.*"prevNode":{"key":"/_etcd/registry/T/2","value":"c",.*`, ""},
		{"PUT", "/T", "value=x", 403, `{"errorCode":102,"message":"Not a file","cause":"/_etcd/registry/T","index":\d+}` + "\n", ""},
		{"PUT", "/T/", "value=x", 403, `{"errorCode":102,.*`, ""},
		{"GET", "/T?wait=x", "", 400, `{"errorCode":209,"message":"Invalid field","cause":"invalid value for \\"wait\\"","index":0}` + "\n", "X-Etcd-Index: 0"},
		{"PUT", "/T/1?wait=true", "", 400, `{"errorCode":209,.*`, ""},
		{"PUT", "/T/1?ttl=x", "", 400, `{"errorCode":202,.*`, ""},
		// The service checks no more; who is late, or too many, finds out himself.
		{"PUT", "/T/3", "value=anything", 201, `.*`, ""},
		// Tokens that nobody made.
		{"GET", "/" + nobodys, "", 404, `{"errorCode":100,"message":"Key not found","cause":"/_etcd/registry/` + nobodys + `","index":\d+}` + "\n", ""},
		{"GET", "/" + nobodys + "/_config/size", "", 404, `{"errorCode":100,.*`, ""},
		// What is no token.
		{"GET", "/0123456789ABCDEF0123456789ABCDEF", "", 404, "404 page not found\n", "X-Etcd-Index"},
		{"GET", "/" + nobodys + "0", "", 404, "404 page not found\n", ""},
		{"GET", "/v2/keys/", "", 404, "404 page not found\n", ""},
		{"GET", "/T/_config/other", "", 404, "404 page not found\n", ""},
		{"GET", "/T/1/2", "", 404, "404 page not found\n", ""},
		{"GET", "/T/%2e%2e/" + nobodys, "", 301, `.*`, "Location: /" + nobodys},
		{"GET", "//T?recursive=true", "", 301, `.*`, "Location: /T?recursive=true"},
		// Other methods.
		{"POST", "/T", "value=x", 405, "Method Not Allowed\n", "Allow: GET, PUT"},
		{"DELETE", "/T?recursive=true", "", 405, "Method Not Allowed\n", "Allow: GET, PUT"},
		{"POST", "/T/1", "value=x", 405, "Method Not Allowed\n", "Allow: GET, PUT, DELETE"},
		{"PUT", "/T/_config/size", "value=9", 405, "Method Not Allowed\n", "Allow: GET"},
		{"DELETE", "/T/_config/size", "", 405, "Method Not Allowed\n", "Allow: GET"},
	} {
		answer := ask(t, c.method, service+strings.Replace(c.path, "/T", "/"+token, 1), c.form)
		want := regexp.MustCompile("(?s)^" + strings.ReplaceAll(c.body, "/T", "/"+token) + "$")
		if answer.StatusCode != c.status || !want.MatchString(answer.body) {
			t.Errorf("%d. %s %s %s: %v\nwant %d %s", i+1, c.method, c.path, c.form, answer, c.status, want)
		}
		name, value, valued := strings.Cut(c.header, ": ")
		value = strings.Replace(value, "/T", "/"+token, 1)
		if got := answer.Header.Get(name); valued && got != value || !valued && got != "" {
			t.Errorf("%d. %s %s has %s: %q", i+1, c.method, c.path, name, got)
		}
	}
}

// TestRefusedChangesNothing: what the public service let through and what would
// have no bound is refused, and the index stands still.
func TestRefusedChangesNothing(t *testing.T) {
	store := etcd(t)
	service := serve(t, store, discovery.Config{TTL: discovery.TTL})
	token := newToken(t, service, "")
	index := func() string { return ask(t, "GET", store+"/v2/keys/?quorum=true", "").Header.Get("X-Etcd-Index") }
	before := index()
	long := strings.Repeat("a", 5000)
	for _, c := range []struct {
		method, path, form string
		status             int
		body               string
	}{
		{"GET", "/new?size=0", "", 400, "size is 0: a cluster has 1 to 100 members\n"},
		{"GET", "/new?size=-1", "", 400, "size is -1: a cluster has 1 to 100 members\n"},
		{"GET", "/new?size=101", "", 400, "size is 101: a cluster has 1 to 100 members\n"},
		{"GET", "/new?size=%zz", "", 400, "invalid URL escape \"%zz\"\n"},
		{"POST", "/new", "size=%zz", 400, "invalid URL escape \"%zz\"\n"},
		{"GET", "/new?size=3;x", "", 400, "invalid semicolon separator in query\n"},
		{"PUT", "/T/1", "value=" + long, 413, "a request may say 4096 bytes in its query and body\n"},
		{"PUT", "/T/1?value=" + long, "", 413, "a request may say 4096 bytes in its query and body\n"},
		{"PUT", "/T/1", "value=%zz", 400, `{"errorCode":210,`},
		{"PUT", "/T/" + strings.Repeat("1", 256), "value=x", 404, "404 page not found\n"},
		{"PUT", "/T/_hidden", "value=x", 404, "404 page not found\n"},
		{"DELETE", "/T/_config?recursive=true", "", 404, "404 page not found\n"},
		{"PUT", "/" + nobodys + "/1", "value=x", 404, `{"errorCode":100,"message":"Key not found","cause":"/_etcd/registry/` + nobodys + `","index":`},
		{"PUT", "/" + nobodys, "value=x", 404, `{"errorCode":100,`},
		{"PUT", "/" + nobodys + "?dir=true", "", 404, `{"errorCode":100,`},
	} {
		answer := ask(t, c.method, service+strings.Replace(c.path, "/T", "/"+token, 1), c.form)
		if answer.StatusCode != c.status || !strings.HasPrefix(answer.body, c.body) {
			t.Errorf("%s %.40s %.40s: %v\nwant %d %s", c.method, c.path, c.form, answer, c.status, c.body)
		}
	}
	if after := index(); after != before {
		t.Errorf("the index went from %s to %s", before, after)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	store := etcd(t)
	refused := func(url, body string) {
		t.Helper()
		if answer := ask(t, "GET", url, ""); answer.StatusCode != http.StatusServiceUnavailable || answer.body != body {
			t.Errorf("%s: %v", url, answer)
		}
	}
	// Two tokens may live, and one that ended makes room; so it is for a service
	// that starts anew.
	service := serve(t, store, discovery.Config{Tokens: 2})
	short := serve(t, store, discovery.Config{Tokens: 2, TTL: time.Second})
	kept := newToken(t, service, "")
	ended := newToken(t, short, "")
	refused(short+"/new", "too many tokens live already\n")
	if seen := ask(t, "GET", service+"/"+ended, ""); seen.StatusCode == http.StatusOK {
		index, _ := strconv.Atoi(seen.Header.Get("X-Etcd-Index"))
		event := ask(t, "GET", fmt.Sprintf("%s/%s?wait=true&waitIndex=%d", service, ended, index+1), "")
		if !strings.HasPrefix(event.body, `{"action":"expire"`) {
			t.Fatalf("not the end of the token: %v", event)
		}
	}
	newToken(t, short, "")
	refused(serve(t, store, discovery.Config{Tokens: 1})+"/new", "too many tokens live already\n")

	// Machines.
	for i := range 200 {
		if answer := ask(t, "PUT", fmt.Sprintf("%s/%s/%d", service, kept, i), "value=x"); answer.StatusCode != 201 {
			t.Fatalf("machine %d: %v", i, answer)
		}
	}
	if answer := ask(t, "PUT", service+"/"+kept+"/200", "value=x"); answer.StatusCode != 403 || answer.body != "200 machines have registered already\n" {
		t.Errorf("one machine more: %v", answer)
	}
}
