package keyspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var someKeys = []string{"/", "/a", "/b", "/a/b", "/a/_h", "/a/b/c", "/_h/x"}

// drawQuery draws a request that parses.
func drawQuery(t *rapid.T, s *stage) Query {
	form := map[string][]string{}
	maybe := func(name string, values ...string) {
		if rapid.IntRange(0, 4).Draw(t, name+"?") == 0 {
			form[name] = []string{rapid.SampledFrom(values).Draw(t, name)}
		}
	}
	maybe("value", "x", "y")
	maybe("prevValue", "x", "y")
	maybe("prevIndex", "0", fmt.Sprint(s.tree.Index()), fmt.Sprint(s.tree.Index()/2))
	maybe("prevExist", "true", "false")
	maybe("ttl", "0", "3", "9")
	maybe("dir", "true")
	maybe("recursive", "true")
	if form["ttl"] != nil && form["value"] == nil {
		maybe("refresh", "true")
	}
	method := rapid.SampledFrom([]string{"PUT", "PUT", "POST", "DELETE"}).Draw(t, "method")
	key := CleanKey(rapid.SampledFrom(someKeys).Draw(t, "key"))
	query, err := Parse(method, key, form, s.now)
	if err != nil {
		t.Fatalf("%v: %v", form, err)
	}
	return query
}

func (s *stage) everything() string {
	listing := s.tree.root.list(true, s.now)
	all := string(Event{Action: ActionGet, Node: listing}.AppendJSON(nil))
	for _, key := range someKeys { // the hidden ones, too
		node, _ := s.tree.Stored(CleanKey(key))
		all += fmt.Sprintln(string(Event{Node: &node}.AppendJSON(nil)))
	}
	return all + fmt.Sprint(s.tree.index, len(s.tree.expiring))
}

// TestOneStepAChange: what is refused leaves no trace; what is done takes
// exactly one step, and the history and an open stream know the same of it.
func TestOneStepAChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage()
		stream := s.watchers.Add(Watch{Key: Root, Recursive: true, Stream: true})
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				query := drawQuery(t, s)
				before, index := s.everything(), s.tree.Index()
				change, err := s.tree.Apply(query.Request.(Write), s.now)
				if err != nil {
					var refusal *Error
					if !errors.As(err, &refusal) || refusal.Index != index || refusal.Message() == "" {
						t.Fatalf("refused at %d by %#v", index, err)
					}
					if after := s.everything(); after != before {
						t.Fatalf("%#v was refused and changed\n%s into\n%s", query.Request, before, after)
					}
					return
				}
				checkChange(t, s, change, index+1, stream)
			},
			"pass": func(t *rapid.T) {
				s.now = s.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
				index := s.tree.Index()
				for _, change := range s.tree.Expire(s.now, math.MaxInt) {
					index++
					checkChange(t, s, change, index, stream)
				}
				if _, next, some := s.tree.NextExpiry(); some && !next.After(s.now) {
					t.Fatalf("at %v something still ends at %v", s.now, next)
				}
			},
			"": func(t *rapid.T) { checkTree(t, s.tree) },
		})
	})
}

func checkChange(t *rapid.T, s *stage, change Change, index uint64, stream WatcherID) {
	if change.Index() != index {
		t.Fatalf("the change %+v has index %d and not %d", change, change.Index(), index)
	}
	s.history.Record(change)
	told := 0
	for _, id := range s.watchers.Tell(change) {
		if id == stream {
			told++
		}
	}
	past, found, err := s.history.First(Watch{Key: Root, Recursive: true, Since: index})
	if err != nil || found == change.Silent || found && past.Node != change.Event.Node {
		t.Fatalf("the history knows %+v, %v, %v of %+v", past, found, err, change)
	}
	hidden := strings.Contains(string(change.Event.Node.Key), "/_")
	if want := !change.Silent && !hidden; (told == 1) != want {
		t.Fatalf("the stream was told %d times of %+v", told, change)
	}
}

// checkTree checks what always holds of a tree.
func checkTree(t *rapid.T, tree *Tree) {
	ending := 0
	var walk func(n *node)
	walk = func(n *node) {
		if n.modified > tree.index || n.created > n.modified {
			t.Fatalf("%s: created %d, modified %d, the tree %d", n.key, n.created, n.modified, tree.index)
		}
		if !n.expires.IsZero() {
			ending++
			if tree.expiring[n.place] != n {
				t.Fatalf("%s: is not where it thinks among those that expire", n.key)
			}
		}
		for name, child := range n.children {
			if child.parent != n || child.name != name || child.key != n.key.below(name) {
				t.Fatalf("%s: is not below %s", child.key, n.key)
			}
			walk(child)
		}
	}
	walk(tree.root)
	if ending != len(tree.expiring) {
		t.Fatalf("%d nodes expire and %d are known to", ending, len(tree.expiring))
	}
}

// TestReplayFollows: a tree that is told of every event, and one restored from
// what was kept after each change, are the tree that decided.
func TestReplayFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, follower, kept := newStage(), New(0), map[Key]Node{}
		for range rapid.IntRange(1, 60).Draw(t, "writes") {
			changes := s.tree.Expire(s.now, 2)
			if change, err := s.tree.Apply(drawQuery(t, s).Request.(Write), s.now); err == nil {
				changes = append(changes, change)
			}
			s.now = s.now.Add(time.Second)
			for _, change := range changes {
				replayed, err := follower.Replay(change.Event, change.Silent)
				if err != nil || fmt.Sprint(replayed) != fmt.Sprint(change) {
					t.Fatalf("%+v was replayed as %+v: %v", change, replayed, err)
				}
				for _, key := range change.Touched() {
					delete(kept, key)
					if node, there := s.tree.Stored(key); there {
						kept[key] = node
					}
				}
			}
		}
		var nodes []Node
		for _, key := range slices.Sorted(maps.Keys(kept)) {
			nodes = append(nodes, kept[key])
		}
		restored, err := Restore(s.tree.Index(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		want := s.everything()
		for name, tree := range map[string]*Tree{"follower": follower, "restored": restored} {
			if got := (&stage{now: s.now, tree: tree}).everything(); got != want {
				t.Fatalf("the %s has\n%s and not\n%s", name, got, want)
			}
			checkTree(t, tree)
		}
	})
}

func TestHistoryReachesBackAThousandEvents(t *testing.T) {
	s := newStage()
	for range 1500 {
		s.do("PUT /a value=x")
	}
	for _, test := range []struct {
		since uint64
		found uint64 // the index of the event; 0 for none, 401 for the error
	}{{1, 401}, {500, 401}, {501, 501}, {1500, 1500}, {1501, 0}, {0, 0}} {
		event, found, err := s.history.First(Watch{Key: "/a", Since: test.since})
		switch {
		case test.found == 401:
			if !hasCode(err, HistoryCleared) || err.(*Error).Cause != fmt.Sprintf("the requested history has been cleared [501/%d]", test.since) {
				t.Errorf("since %d: %v", test.since, err)
			}
		case err != nil || found != (test.found != 0) || found && event.Node.Modified != test.found:
			t.Errorf("since %d: %+v %v %v", test.since, event, found, err)
		}
	}
}

func TestWatchersForgetWhoLeft(t *testing.T) {
	watchers := NewWatchers()
	watch := Watch{Key: "/a"}
	var ids []WatcherID
	for range 5 {
		ids = append(ids, watchers.Add(watch))
	}
	for _, id := range []WatcherID{ids[2], ids[0], ids[2], ids[4]} {
		watchers.Remove(watch, id)
	}
	tree := New(0)
	change, err := tree.Apply(Set{Key: "/a"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if told := watchers.Tell(change); fmt.Sprint(told) != fmt.Sprint([]WatcherID{ids[1], ids[3]}) || watchers.Waiting() != 0 {
		t.Errorf("told %v of %v, %d still wait", told, ids, watchers.Waiting())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("PUT", "/a", "ttl", "5", "value", "x")
	f.Add("GET", "//a/../..", "wait", "true", "waitIndex", "3")
	f.Add("DELETE", "", "prevIndex", "-1", "recursive", "T")
	now := time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, method, path, name, value, name2, value2 string) {
		key := CleanKey(path)
		if CleanKey(string(key)) != key {
			t.Fatalf("%q cleans to %q and that to %q", path, key, CleanKey(string(key)))
		}
		query, err := Parse(method, key, map[string][]string{name: {value}, name2: {value2}}, now)
		var refusal *Error
		switch {
		case err != nil && (!errors.As(err, &refusal) || refusal.Index != 0 || refusal.Code.Status() != 400):
			t.Fatalf("refused by %#v", err)
		case err == nil && query.Request == nil:
			t.Fatal("neither a request nor a refusal")
		}
		if write, is := query.Request.(Write); is {
			_, _ = New(7).Apply(write, now)
		}
	})
}

func FuzzJSONReadsAsItWasWritten(f *testing.F) {
	f.Add("plain", "\x00\b\f\n\u2028\xff<&>\"\\")
	f.Fuzz(func(t *testing.T, name, value string) {
		event := Event{Action: ActionSet, Node: &Node{Key: CleanKey(name), Value: &value, Modified: 1}}
		var read struct {
			Node struct{ Key, Value string }
		}
		if err := json.Unmarshal(event.AppendJSON(nil), &read); err != nil {
			t.Fatalf("%q: %v", event.AppendJSON(nil), err)
		}
		want := string(event.Node.Key)
		if event.Node.Key == Root {
			want = ""
		}
		if read.Node.Key != printable(want) || read.Node.Value != printable(value) {
			t.Fatalf("%q and %q were read as %q", want, value, read)
		}
	})
}

// printable replaces what is not UTF-8, byte by byte.
func printable(s string) string {
	return string([]rune(s))
}

func BenchmarkSet(b *testing.B) {
	tree, now := New(0), time.Now()
	for i := range b.N {
		if _, err := tree.Apply(Set{Key: Key("/dir/" + fmt.Sprint(i%10000)), Content: Content{Value: "value"}}, now); err != nil {
			b.Fatal(err)
		}
	}
}
