//go:build store

package v2diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is what one side said.
type answer struct {
	status  string
	headers map[string]string
	body    []byte
}

func (a answer) String() string {
	var s strings.Builder
	fmt.Fprintln(&s, a.status)
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		fmt.Fprintf(&s, "%s: %s\n", name, a.headers[name])
	}
	s.Write(a.body)
	return s.String()
}

// send asks one side and returns when the headers are there.
func (s side) send(q question) (*http.Response, error) {
	where, err := url.Parse(s.base + q.target)
	if err != nil {
		return nil, fmt.Errorf("read the target %q: %w", q.target, err)
	}
	request := &http.Request{Method: q.method, URL: where, Host: where.Host, Header: http.Header{}}
	if q.body != "" {
		request.Body = io.NopCloser(strings.NewReader(q.body))
		request.ContentLength = int64(len(q.body))
	}
	if q.contentType != "" {
		request.Header.Set("Content-Type", q.contentType)
	}
	if name, password, given := strings.Cut(q.user, ":"); given {
		request.SetBasicAuth(name, password)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.name, err)
	}
	return response, nil
}

// compared are the headers whose values must be the same; of those that are
// there, only that they are there must be.
var (
	compared = []string{"X-Etcd-Index", "Content-Type", "Allow", "Location", "Content-Length", "X-Content-Type-Options"}
	there    = []string{"X-Etcd-Cluster-Id", "X-Raft-Index", "X-Raft-Term"}
)

func heading(response *http.Response) answer {
	a := answer{status: response.Status, headers: map[string]string{}}
	for _, name := range compared {
		if value := response.Header.Get(name); value != "" {
			a.headers[name] = value
		}
	}
	for _, name := range there {
		if response.Header.Get(name) != "" {
			a.headers[name] = "given"
		}
	}
	if len(response.TransferEncoding) > 0 {
		a.headers["Transfer-Encoding"] = strings.Join(response.TransferEncoding, ",")
	}
	return a
}

var (
	expiration = regexp.MustCompile(`"expiration":"([^"]*)"`)
	ttl        = regexp.MustCompile(`"ttl":(-?[0-9]+)`)
)

// slack is by how much the two clocks may have run apart between two requests
// that were sent one after the other: far more than they do, far less than the
// TTLs differ by.
const slack = 30 * time.Second

// difference says how the two answers differ, or nothing.
func difference(q question, theirs, ours answer) string {
	if message := differentTimes(theirs.body, ours.body); message != "" {
		return message
	}
	if expiration.Match(theirs.body) {
		// The digits of a time are as many as it needs.
		delete(theirs.headers, "Content-Length")
		delete(ours.headers, "Content-Length")
	}
	theirs.body, ours.body = timeless(theirs.body), timeless(ours.body)
	if !q.sorted && bytes.Contains(theirs.body, []byte(`"nodes"`)) {
		theirs.body, ours.body = inOrder(theirs.body), inOrder(ours.body)
	}
	if q.method == http.MethodHead && theirs.status == "200 OK" {
		delete(theirs.headers, "Content-Length") // expirations may be in the body that is not sent
		delete(ours.headers, "Content-Length")
	}
	if theirs.String() != ours.String() {
		return "they differ"
	}
	return ""
}

func timeless(body []byte) []byte {
	return ttl.ReplaceAll(expiration.ReplaceAll(body, []byte(`"expiration":"T"`)), []byte(`"ttl":T`))
}

// differentTimes compares what timeless takes away, as closely as time allows.
func differentTimes(theirs, ours []byte) string {
	a, b := expiration.FindAllSubmatch(theirs, -1), expiration.FindAllSubmatch(ours, -1)
	c, d := ttl.FindAllSubmatch(theirs, -1), ttl.FindAllSubmatch(ours, -1)
	if len(a) != len(b) || len(c) != len(d) {
		return "they differ in which nodes expire"
	}
	if bytes.Contains(theirs, []byte(`"nodes"`)) {
		return "" // theirs come in any order
	}
	for i := range a {
		one, err := time.Parse(time.RFC3339Nano, string(a[i][1]))
		other, err2 := time.Parse(time.RFC3339Nano, string(b[i][1]))
		if err != nil || err2 != nil || one.Sub(other).Abs() > slack {
			return fmt.Sprintf("expirations %s and %s", a[i][1], b[i][1])
		}
	}
	for i := range c {
		one, err := strconv.Atoi(string(c[i][1]))
		other, err2 := strconv.Atoi(string(d[i][1]))
		if err != nil || err2 != nil || time.Duration(one-other).Abs() > slack/time.Second {
			return fmt.Sprintf("TTLs %s and %s", c[i][1], d[i][1])
		}
	}
	return ""
}

// inOrder sorts the nodes of a listing: etcd lists them in any order unless
// asked for one.
func inOrder(body []byte) []byte {
	var event any
	timed := bytes.ReplaceAll(body, []byte(`"ttl":T`), []byte(`"ttl":1`))
	if err := json.Unmarshal(timed, &event); err != nil {
		return body
	}
	sortNodes(event)
	text, err := json.Marshal(event)
	if err != nil {
		return body
	}
	return text
}

func sortNodes(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			sortNodes(inner)
		}
	case []any:
		for _, inner := range value {
			sortNodes(inner)
		}
		slices.SortFunc(value, func(a, b any) int {
			return strings.Compare(keyOf(a), keyOf(b))
		})
	}
}

func keyOf(node any) string {
	fields, _ := node.(map[string]any)
	key, _ := fields["key"].(string)
	return key
}
