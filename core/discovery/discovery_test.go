package discovery

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const some = "0123456789abcdef0123456789abcdef"

// FuzzParse: no request reaches a key outside its token, and what is redirected
// is redirected once.
func FuzzParse(f *testing.F) {
	for _, target := range []string{"/", "/new", "/" + some, "/" + some + "/", "/" + some + "/1", "/" + some + "/_config/size",
		"//" + some + "/../new", "/" + some + "/..", "/" + some + "/./x//", ""} {
		f.Add("GET", target)
		f.Add("PUT", target)
		f.Add("DELETE", target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		switch request := Parse(method, target).(type) {
		case Keys:
			whole := Registry + "/" + request.Token
			below := strings.TrimPrefix(request.Key, whole)
			if !token.MatchString(request.Token) || path.Clean(request.Key) != request.Key ||
				below != "" && below[0] != '/' || strings.Count(below, "/") > 1 && below != "/_config/size" {
				t.Errorf("%q %q asks for %+v", method, target, request)
			}
			if method != "GET" && strings.HasPrefix(below, "/_") || method == "DELETE" && below == "" {
				t.Errorf("%q %q may change %s", method, target, request.Key)
			}
			if request.Put != (method == "PUT") {
				t.Errorf("%q %q puts: %v", method, target, request.Put)
			}
		case Moved:
			if again, moved := Parse(method, request.To).(Moved); moved {
				t.Errorf("%q goes to %q, which goes to %q", target, request.To, again.To)
			}
		}
	})
}

// FuzzAnswers: whatever a service answers, what is made of it is a cluster that
// etcd can start with or an error.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"node":{"value":"1"}}`), []byte(`{"node":{"nodes":[{"key":"/x/1","value":"a=http://a:1","createdIndex":4}]}}`))
	f.Add(404, []byte(`{"errorCode":100}`), []byte(`{"node":{"nodes":[{"key":"/x/_config"},{"value":"a=,=,"},{"value":"b"}]}}`))
	f.Fuzz(func(t *testing.T, status int, one, other []byte) {
		size, err := ParseMembers(status, one)
		if err != nil {
			return
		}
		machines, err := ParseMachines(status, other)
		if err != nil || len(machines) < size {
			return
		}
		text, err := InitialCluster(machines, size)
		if err == nil && strings.Count(text, "=") < size {
			t.Errorf("%d members of %s: %q", size, other, text)
		}
	})
}

func TestAnswers(t *testing.T) {
	const missing = `{"errorCode":100,"message":"Key not found","cause":"/x","index":7}`
	members := func(status int, body string) error { _, err := ParseMembers(status, []byte(body)); return err }
	machines := func(status int, body string) error { _, err := ParseMachines(status, []byte(body)); return err }
	registered := func(status int, body string) error { return ParseRegistered(status, []byte(body)) }
	waited := func(status int, body string) error { return ParseWaited(status, []byte(body)) }
	for _, c := range []struct {
		parse  func(int, string) error
		status int
		body   string
		want   error
	}{
		{members, 200, `{"action":"get","node":{"value":"3"}}`, nil},
		{members, 404, missing, ErrSizeNotFound},
		{members, 404, "404 page not found\n", ErrBadEndpoint},
		{members, 301, "", ErrBadEndpoint},
		{members, 400, "{}", ErrBadEndpoint},
		{members, 503, "the store does not answer\n", ErrRetry},
		{members, 500, `{"errorCode":300,"message":"Raft Internal Error"}`, ErrRetry},
		{members, 200, `{"node":{"value":"x"}}`, ErrBadSizeKey},
		{members, 200, `{"node":{"value":"0"}}`, ErrBadSizeKey},
		{members, 200, `{"node":{"value":"-3"}}`, ErrBadSizeKey},
		{machines, 200, `{"node":{}}`, nil},
		{machines, 404, missing, ErrSizeNotFound},
		{machines, 200, `<html>`, ErrBadEndpoint},
		{registered, 201, `{"action":"create","node":{}}`, nil},
		{registered, 412, `{"errorCode":105,"message":"Key already exists"}`, ErrDuplicateID},
		{registered, 403, `{"errorCode":102,"message":"Not a file","cause":"/x"}`, Refusal{102, "Not a file", "/x", 0}},
		{waited, 200, `{"action":"create","node":{}}`, nil},
		{waited, 200, ``, ErrRetry},
		{waited, 400, `{"errorCode":401,"message":"cleared"}`, nil},
		{waited, 400, `{"errorCode":209,"message":"Invalid field","cause":"x"}`, Refusal{209, "Invalid field", "x", 0}},
	} {
		if err := c.parse(c.status, c.body); !errors.Is(err, c.want) {
			t.Errorf("%d %s: %v, want %v", c.status, c.body, err, c.want)
		}
	}
}

// TestPlaces: whatever the order in which the machines are listed, the first to
// register are the members, each of them finds the same cluster, and the rest
// find it full.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "size")
		there := rapid.IntRange(0, 8).Draw(t, "machines")
		var nodes []string
		for i := range there {
			nodes = append(nodes, fmt.Sprintf(`{"key":"/_etcd/registry/T/%x","value":"m%d=http://10.0.0.%d:2380","createdIndex":%d}`, i, i, i, 10+i))
		}
		nodes = rapid.Permutation(append(nodes, `{"key":"/_etcd/registry/T/_config","dir":true,"createdIndex":5}`)).Draw(t, "listed")
		machines, err := ParseMachines(200, []byte(`{"node":{"nodes":[`+strings.Join(nodes, ",")+`]}}`))
		if err != nil || len(machines) != there {
			t.Fatalf("%v, %v", machines, err)
		}
		for i := range there {
			if full := Full(machines, size, fmt.Sprintf("%x", i)); full != (i >= size) {
				t.Errorf("machine %d of %d, %d members: full %v", i, there, size, full)
			}
		}
		if there < size {
			return
		}
		text, err := InitialCluster(machines, size)
		var want []string
		for i := range size {
			want = append(want, fmt.Sprintf("m%d=http://10.0.0.%d:2380", i, i))
		}
		if err != nil || text != strings.Join(want, ",") {
			t.Errorf("%s, %v", text, err)
		}
	})
}

func TestInitialCluster(t *testing.T) {
	for _, c := range []struct{ values, want string }{
		{"a=http://10.0.0.1:2380 b=https://[fd00::1]:2380", ""},
		{"a=http://10.0.0.1:2380,a=http://10.1.0.1:2380 b=http://10.0.0.2:2380", ""},
		{"a=http://10.0.0.1:2380 a=http://10.0.0.2:2380", "discovery: found duplicate name"},
		{"a=http://10.0.0.1:2380 b=http://10.0.0.1:2380", "discovery cluster a=http://10.0.0.1:2380,b=http://10.0.0.1:2380 has duplicate url"},
		{"a=http://10.0.0.1:2380 b", "discovery: invalid URL"},
		{"a=http://10.0.0.1:2380 b=http://10.0.0.2", "discovery: invalid URL"},
		{"a=http://10.0.0.1:2380 b=ftp://10.0.0.2:2380", "discovery: invalid URL"},
		{"a=http://10.0.0.1:2380 =http://10.0.0.2:2380", "discovery: invalid URL"},
		{"a=http://10.0.0.1:2380 b=http://10.0.0.2:2380/x", "discovery: invalid URL"},
	} {
		var machines []Machine
		for value := range strings.SplitSeq(c.values, " ") {
			machines = append(machines, Machine{URLs: value})
		}
		text, err := InitialCluster(machines, 2)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && got != c.want {
			t.Errorf("%s: %s, %v", c.values, text, err)
		}
	}
}

// TestLedger against a list.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ledger Ledger
		var model []time.Time
		now := time.Unix(0, 0)
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "later")) * time.Second)
			end := now.Add(time.Duration(rapid.IntRange(1, 6).Draw(t, "lives")) * time.Second)
			model = slices.DeleteFunc(model, func(end time.Time) bool { return end.Before(now) })
			entered := ledger.Enter(now, end, limit)
			if entered != (len(model) < limit) {
				t.Fatalf("at %v, %d live, limit %d: %v", now, len(model), limit, entered)
			}
			if entered && rapid.Bool().Draw(t, "strike") {
				ledger.Strike(end)
			} else if entered {
				model = append(model, end)
			}
		}
	})
}
