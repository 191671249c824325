//go:build store

// Package v2diff compares our etcd v2 keys API with etcd's own, request by
// request. The reference is Debian's etcd-server 3.4 with --enable-v2=true;
// ours is edge/v2keys over core/keyspace, in memory and in etcd v3, begun at the
// same index.
// Requests are drawn from a seed; a difference prints the seed, the request and
// those before it. To draw others: go test -tags store ./test/v2diff -seed 7
//
// Compared are the status, the body byte for byte, and the headers
// X-Etcd-Index, Content-Type, Content-Length, Transfer-Encoding, Allow,
// Location and X-Content-Type-Options. What may differ, and is not compared:
//
//   - expirations and TTLs, beyond that they are there and are near each other
//     (and the Content-Length of a body that tells a time);
//   - the order of nodes in a listing that was not asked for sorted=true, which
//     etcd draws at random (ours is by name);
//   - the values of X-Etcd-Cluster-Id, X-Raft-Index and X-Raft-Term: only that
//     they are given, or not given, in the same answers;
//   - Date, and the Access-Control headers, which etcd's listener adds to all it
//     serves and will add to ours;
//   - the order in which keys with the very same expiration expire.
package v2diff

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seed   = flag.Uint64("seed", 1, "from which the requests are drawn")
	rounds = flag.Int("rounds", 120, "of about 200 requests each")
)

const (
	perRound   = 170 // drawn requests in a round, beside those that end it
	openAtOnce = 12
)

// run is both sides and what was asked so far.
type run struct {
	reference, ours side
	generator       *generator
	asked, waits    int
	recent          []string // the latest questions, for who must find out
	open            []open
	tops            map[string]bool // the names below the root that may be there
	met             map[string]int  // answers, by status and error code
}

func begin(t *testing.T, ours keeper) *run {
	t.Helper()
	reference := startReference(t)
	first, err := reference.send(question{method: "GET", target: "/v2/keys"})
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	index, err := strconv.ParseUint(first.Header.Get("X-Etcd-Index"), 10, 64)
	if err != nil {
		t.Fatalf("the reference's index: %v", err)
	}
	return &run{
		reference: reference, ours: startOurs(t, ours(t, index)),
		tops: map[string]bool{}, met: map[string]int{},
		generator: &generator{Rand: rand.New(rand.NewPCG(*seed, 0)), index: index, modified: map[string]uint64{}},
	}
}

func TestMemoryAnswersAsEtcd(t *testing.T)  { answersAsEtcd(t, inMemory, *rounds) }
func TestClusterAnswersAsEtcd(t *testing.T) { answersAsEtcd(t, inEtcd, *rounds/4) }

func answersAsEtcd(t *testing.T, ours keeper, rounds int) {
	r := begin(t, ours)
	for range rounds {
		for range perRound {
			q := r.generator.question()
			for q.wait && len(r.open) == openAtOnce {
				q = r.generator.question()
			}
			r.ask(t, q)
		}
		r.clear(t)
		r.settle(t)
	}
	t.Logf("%d requests, %d of them waits, to the index %d: %v", r.asked, r.waits, r.generator.index, r.met)
	for _, kind := range kinds {
		if r.met[kind] == 0 {
			t.Errorf("no answer was %s: the requests are not what they should be", kind)
		}
	}
}

// kinds are the answers that a run must meet to be worth its time.
var kinds = strings.Split("status 200,status 201,status 301,status 404,status 405,error 100,error 101,error 102,"+
	"error 104,error 105,error 107,error 108,error 201,error 202,error 203,error 209,error 210,error 211,error 212,"+
	"error 401", ",")

func TestMemoryExpiresAsEtcd(t *testing.T)  { expiresAsEtcd(t, inMemory) }
func TestClusterExpiresAsEtcd(t *testing.T) { expiresAsEtcd(t, inEtcd) }

// expiresAsEtcd compares what watchers are told when keys end. Each side
// expires by its own clock, so keys end while nothing else is asked.
func expiresAsEtcd(t *testing.T, ours keeper) {
	r := begin(t, ours)
	for _, target := range []string{"/a?ttl=1&value=1", "/dir?ttl=1&dir=true", "/dir/below?value=1", "/dir/_hidden/x?value=1&ttl=1", "/b/c?value=2&ttl=1", "/_h?value=3&ttl=1"} {
		r.ask(t, question{method: "PUT", target: "/v2/keys" + target})
	}
	const ending = 4 // what is below the directory goes with it and takes no step of its own
	begun := r.generator.index
	for _, target := range []string{"/a?wait=true", "/dir?wait=true&stream=true", "/dir/below?wait=true", "/dir/_hidden/x?wait=true", "/dir/none?wait=true", "/?wait=true&recursive=true", "/b?wait=true&recursive=true&stream=true", "/_h?wait=true"} {
		r.ask(t, question{method: "GET", target: "/v2/keys" + target, wait: true})
	}
	awaitIndex(t, r.reference, begun+ending)
	awaitIndex(t, r.ours, begun+ending)
	for index := begun + 1; index <= begun+ending; index++ {
		r.ask(t, question{method: "GET", target: fmt.Sprintf("/v2/keys/?wait=true&recursive=true&waitIndex=%d", index)})
	}
	r.ask(t, question{method: "GET", target: "/v2/keys/?recursive=true&sorted=true"})
	r.ask(t, question{method: "GET", target: "/v2/keys/dir"})
	r.clear(t)
	r.settle(t)
}

// awaitIndex waits until one side has expired what it must.
func awaitIndex(t *testing.T, s side, index uint64) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		response, err := s.send(question{method: "GET", target: "/v2/keys"})
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		last := response.Header.Get("X-Etcd-Index")
		if last == strconv.FormatUint(index, 10) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index of %s is %s and not %d", s.name, last, index)
		}
	}
}

// ask puts one question to both and compares the answers.
func (r *run) ask(t *testing.T, q question) {
	t.Helper()
	r.asked++
	r.recent = append(r.recent[max(0, len(r.recent)-30):], fmt.Sprintf("%6d %s", r.asked, q))
	theirs, err := r.reference.send(q)
	if err != nil {
		t.Fatalf("%s\n%v", r.where(), err)
	}
	ours, err := r.ours.send(q)
	if err != nil {
		t.Fatalf("%s\n%v", r.where(), err)
	}
	a, b := heading(theirs), heading(ours)
	staysOpen := q.wait && theirs.StatusCode == http.StatusOK && ours.StatusCode == http.StatusOK
	if !staysOpen {
		a.body, b.body = r.read(t, theirs), r.read(t, ours)
	}
	if message := difference(q, a, b); message != "" {
		t.Fatalf("%s\nrequest %d: %s: %s\n--- etcd\n%s\n--- ours\n%s", r.where(), r.asked, q, message, a, b)
	}
	r.learn(q, b)
	if staysOpen {
		r.waits++
		r.open = append(r.open, open{question: q, number: r.asked, theirs: follow(theirs), ours: follow(ours)})
	}
}

func (r *run) read(t *testing.T, response *http.Response) []byte {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s\nread the answer: %v", r.where(), err)
	}
	return body
}

// learn keeps what makes later questions meet what is there.
func (r *run) learn(q question, a answer) {
	if index, err := strconv.ParseUint(a.headers["X-Etcd-Index"], 10, 64); err == nil && index > 0 {
		r.generator.index = index
	}
	var event told
	r.met["status "+a.status[:3]]++
	if json.Unmarshal(a.body, &event) == nil && event.Node.Key != "" {
		r.generator.modified[event.Node.Key] = event.Node.ModifiedIndex
	}
	if event.ErrorCode != 0 {
		r.met[fmt.Sprintf("error %d", event.ErrorCode)]++
	}
	where, err := url.Parse(q.target)
	if err != nil || q.method != http.MethodPut && q.method != http.MethodPost {
		return
	}
	key := strings.Trim(strings.TrimPrefix(where.Path, "/v2/keys"), "/")
	top, _, _ := strings.Cut(key, "/")
	if key == "" && q.method == http.MethodPost {
		top = fmt.Sprintf("%020d", r.generator.index)
	}
	r.tops[top] = true
}

// clear empties the tree.
func (r *run) clear(t *testing.T) {
	t.Helper()
	for _, top := range slices.Sorted(maps.Keys(r.tops)) {
		r.ask(t, question{method: "DELETE", target: target("/"+top, "recursive=true")})
	}
	r.tops = map[string]bool{}
	r.ask(t, question{method: "GET", target: "/v2/keys/?recursive=true"})
}

func (r *run) where() string {
	return fmt.Sprintf("-seed %d; the requests before:\n%s", *seed, strings.Join(r.recent, "\n"))
}
