//go:build store

package v2diff

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// question is an HTTP request as it is sent to both sides.
type question struct {
	method      string
	target      string // path and query
	contentType string
	body        string
	user        string // name:password; none if empty
	wait        bool   // it may stay open
	sorted      bool   // a listing comes in order
}

func (q question) String() string {
	s := q.method + " " + q.target
	if q.body != "" || q.contentType != "" {
		s += fmt.Sprintf("  [%s] %q", q.contentType, q.body)
	}
	if q.user != "" {
		s += "  as " + q.user
	}
	return s
}

// generator makes questions over a small key space, so that they meet.
type generator struct {
	*rand.Rand
	index    uint64            // the latest X-Etcd-Index
	modified map[string]uint64 // the latest modifiedIndex that was answered, by key
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// key is mostly one of a few, at most three deep; hidden and odd names are among them.
func (g *generator) key() string {
	if g.oneIn(40) {
		return "/"
	}
	key := ""
	for depth := pick(g, 1, 1, 1, 2, 2, 3); depth > 0; depth-- {
		name := pick(g, "a", "a", "b", "b", "ab", "_h", "c")
		if g.oneIn(25) {
			name = pick(g, "a b", "ü", "<&>", `q"\`, "\x01\b\f\n", "\xff", "a_b", "__", "...", "\u2028")
		}
		key += "/" + name
	}
	return key
}

func (g *generator) value() string {
	if g.oneIn(15) {
		return pick(g, "", "<a href=\"&\">", "\x00\b\f\r\n\t\x1f\x7f", "\xff\xfe", "日本\u2028\u2029", strings.Repeat("long ", 700))
	}
	return pick(g, "v0", "v1", "v2", "v3")
}

func (g *generator) truth() string {
	if g.oneIn(30) {
		return pick(g, "", "yes", "2", "tru", "TRUE", "T")
	}
	return pick(g, "true", "true", "true", "false", "1", "0")
}

// guardIndex is often the right one.
func (g *generator) guardIndex(key string) string {
	switch {
	case g.oneIn(25):
		return pick(g, "", "x", "-1", "1.5", "18446744073709551616", "0x1", "+1", "0", "0")
	case g.oneIn(3):
		return fmt.Sprint(g.IntN(int(g.index) + 2))
	}
	return fmt.Sprint(g.modified[key])
}

func (g *generator) ttl() string {
	if g.oneIn(12) {
		return pick(g, "", "x", "-5", "1.5", "18446744073709551616", "1h")
	}
	return fmt.Sprint(1000 + g.IntN(5000))
}

func (g *generator) question() question {
	switch n := g.IntN(100); {
	case n < 36:
		return g.write("PUT", g.key())
	case n < 44:
		return g.write("POST", g.key())
	case n < 58:
		return g.write("DELETE", g.key())
	case n < 84:
		return g.read(pick(g, "GET", "GET", "GET", "GET", "HEAD"), g.key())
	case n < 94:
		return g.waiting(g.key())
	case n < 97:
		return g.untidy()
	default:
		return g.odd()
	}
}

// write sends its fields in the query, in the body, or some in each.
func (g *generator) write(method, key string) question {
	query, form := url.Values{}, url.Values{}
	set := func(name, value string) {
		if g.oneIn(4) || method == "DELETE" && !g.oneIn(20) {
			query.Add(name, value)
		} else {
			form.Add(name, value)
		}
	}
	if method != "DELETE" && !g.oneIn(6) {
		set("value", g.value())
	}
	if g.oneIn(5) || method == "DELETE" && g.oneIn(3) {
		set("dir", g.truth())
	}
	if method == "DELETE" && g.oneIn(3) || g.oneIn(40) {
		set("recursive", g.truth())
	}
	if g.oneIn(6) {
		set("prevValue", g.value())
	}
	if g.oneIn(6) {
		set("prevIndex", g.guardIndex(key))
	}
	if g.oneIn(6) {
		set("prevExist", g.truth())
	}
	if g.oneIn(5) {
		set("ttl", g.ttl())
		if g.oneIn(2) {
			set("refresh", g.truth())
			form.Del("value")
		}
	}
	if g.oneIn(40) {
		set("refresh", g.truth())
	}
	if g.oneIn(12) {
		set("noValueOnSuccess", g.truth())
	}
	if g.oneIn(60) {
		set(pick(g, "wait", "waitIndex", "sorted", "quorum", "stream", "unknown", "value"), pick(g, "true", "x", "3"))
	}
	q := question{method: method, target: target(key, query.Encode()), body: form.Encode()}
	q.contentType = "application/x-www-form-urlencoded"
	if q.body == "" && g.oneIn(2) {
		q.contentType = ""
	}
	return q
}

func (g *generator) read(method, key string) question {
	query := url.Values{}
	q := question{method: method}
	for _, name := range []string{"recursive", "sorted", "quorum"} {
		if g.oneIn(2) {
			query.Add(name, g.truth())
		}
	}
	if g.oneIn(50) {
		query.Add(pick(g, "wait", "waitIndex", "prevIndex", "ttl", "prevValue", "noValueOnSuccess", "dir"), pick(g, "x", ""))
	}
	q.sorted = query.Get("sorted") == "true" || query.Get("sorted") == "1"
	q.target = target(key, query.Encode())
	return q
}

func (g *generator) waiting(key string) question {
	query := url.Values{"wait": {"true"}}
	if g.oneIn(2) {
		query.Set("recursive", g.truth())
	}
	if g.oneIn(4) {
		query.Set("stream", g.truth())
	}
	if !g.oneIn(3) {
		query.Set("waitIndex", g.waitIndex())
	}
	if g.oneIn(25) {
		query.Set("quorum", "true")
	}
	return question{method: "GET", target: target(key, query.Encode()), wait: !query.Has("quorum")}
}

// waitIndex is mostly in the near past; sometimes a little ahead, at the edge
// of the history, beyond it, or nothing.
func (g *generator) waitIndex() string {
	index := int(g.index)
	switch n := g.IntN(20); {
	case n < 12:
		index -= g.IntN(30)
	case n < 15:
		index += g.IntN(4)
	case n < 17:
		index += 2 - 1000 - g.IntN(4)
	case n < 18:
		index = g.IntN(index)
	case n < 19:
		index = 0
	default:
		return pick(g, "", "x", "-1")
	}
	return fmt.Sprint(max(index, 0))
}

// untidy paths are those that a browser would have cleaned.
func (g *generator) untidy() question {
	path := pick(g, "/v2/keys//a", "/v2//keys/a", "//v2/keys/a", "/v2/keys/./a", "/v2/keys/b/../a", "/v2/keys/a//",
		"/v2/keys/a/.", "/v2/keys/..", "/v2/./keys", "/v2/keys/a%2F%2Fb", "/v2/keys/%2e%2e/a", "/v2/keys//%C3%BC/<",
		"/v2/keys/a/", "/v2/keys/a%2Fb", "/v2/keysa", "/v2/key", "/v2/keys../a")
	query := pick(g, "", "?recursive=true", "?x=%41&y=%zz", "?")
	return question{method: pick(g, "GET", "HEAD", "PUT", "DELETE", "POST"), target: path + query,
		sorted: false, contentType: "application/x-www-form-urlencoded"}
}

// odd questions have methods and forms that cannot be read.
func (g *generator) odd() question {
	q := question{method: "PUT", target: target(g.key(), ""), contentType: "application/x-www-form-urlencoded", body: "value=v1"}
	switch g.IntN(6) {
	case 0:
		q.method = pick(g, "PATCH", "TRACE", "FOO", "get", "PROPFIND")
	case 1:
		q.target += "?" + pick(g, "value=%zz", "a;b", "value=%", "%41", "=", "&&", "value", "value=a+b%20c")
	case 2:
		q.body = pick(g, "value=%zz", "value=1;ttl=2", "%", "=", "&&&", "value=1&value=2", "\xff\x00", "value=%ff%00")
	case 3:
		q.contentType = pick(g, "text/plain", "application/json", "multipart/form-data; boundary=x", "a/b;;", "/", "x",
			"application/x-www-form-urlencoded; charset=latin1", "application/x-www-form-urlencoded; =", "APPLICATION/X-WWW-FORM-URLENCODED")
	case 4:
		q.method, q.body = pick(g, "GET", "HEAD", "DELETE"), "recursive=true&value=%zz"
	case 5:
		q.target, q.body = pick(g, "/v2/keys", "/v2/keys/"), pick(g, "value=1", "dir=true", "prevExist=true&ttl=5000", "prevIndex=3", "prevExist=false")
		q.method = pick(g, "PUT", "DELETE")
		if q.method == "DELETE" {
			q.target += "?" + pick(g, "recursive=true", "dir=true", "prevIndex=3", "prevValue=x", "")
		}
	}
	return q
}

func target(key, query string) string {
	path := "/v2/keys"
	for name := range strings.SplitSeq(strings.TrimPrefix(key, "/"), "/") {
		path += "/" + url.PathEscape(name)
	}
	if query != "" {
		path += "?" + query
	}
	return path
}
