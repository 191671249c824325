//go:build store

package v2cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// asked is one request of a history, as the model knows it.
type asked struct {
	key, kind       string // get, set, swap or delete
	value, previous string
}

// answered is what came of it. Of a request whose outcome nobody learnt it is
// only known that it may have happened at any later time, or never.
type answered struct {
	unsent                    bool // the member is down: nothing happened
	unknown, missing, refused bool
	value                     string
	index                     uint64 // of a write that was acknowledged
}

// register is one key: absent ("") or with a value. Values are never repeated.
var register = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(asked).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{""} },
	Step: func(state, input, output any) []any {
		before, in, out := state.(string), input.(asked), output.(answered)
		after := before
		switch {
		case in.kind == "get":
			return only(before, out.missing == (before == "") && out.value == before)
		case in.kind == "set":
			after = in.value
		case before == "":
			return only(before, out.unknown || out.missing)
		case in.kind == "swap" && before != in.previous:
			return only(before, out.unknown || out.refused)
		case in.kind == "swap":
			after = in.value
		default: // delete
			after = ""
		}
		if out.unknown {
			return []any{before, after}
		}
		return only(after, !out.missing && !out.refused)
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %+v", input, output)
	},
}

func only(state string, possible bool) []any {
	if possible {
		return []any{state}
	}
	return nil
}

// recorder is the history of all clients.
type recorder struct {
	mu         sync.Mutex
	begun      time.Time
	operations []porcupine.Operation
}

func (r *recorder) note(client int, call time.Time, in asked, out answered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := time.Since(r.begun)
	if out.unknown {
		if in.kind == "get" {
			return
		}
		end = time.Hour
	}
	r.operations = append(r.operations, porcupine.Operation{
		ClientId: client, Input: in, Output: out, Call: int64(call.Sub(r.begun)), Return: int64(end),
	})
}

// acknowledged is how many writes were, up to now.
func (r *recorder) acknowledged() (count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.operations {
		if o.Output.(answered).index > 0 {
			count++
		}
	}
	return count
}

// TestHistoriesAreLinearizable: clients of every member read, write, swap and
// delete the same keys, while each member in turn is killed and comes back. What
// they saw must be explained by one order of all requests that agrees with time.
func TestHistoriesAreLinearizable(t *testing.T) {
	members := start(t, 3)
	recorder := &recorder{begun: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for number := range 9 {
		client := client{number: number, member: members[number%3], history: recorder,
			draw: rand.New(rand.NewPCG(1, uint64(number))), known: map[string]string{}}
		clients.Go(func() { client.run(ctx) })
	}
	progress := func(why string) {
		before := recorder.acknowledged()
		for deadline := time.Now().Add(patience); recorder.acknowledged() < before+300; <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d writes acknowledged of 300", why, recorder.acknowledged()-before)
			}
		}
	}
	progress("at first")
	for _, m := range members {
		m.kill()
		progress("without " + m.name)
		m.start(t)
		m.await(t)
		progress("with " + m.name + " back")
	}
	cancel()
	clients.Wait()

	t.Logf("%d requests, %d writes acknowledged, in %v", len(recorder.operations), recorder.acknowledged(), time.Since(recorder.begun).Round(time.Second))
	model := register.ToModel()
	if result := porcupine.CheckOperationsTimeout(model, recorder.operations, time.Minute); result != porcupine.Ok {
		_, info := porcupine.CheckOperationsVerbose(model, recorder.operations, time.Minute)
		file, err := writeHistory(model, info)
		t.Errorf("the history is %s: see %s (%v)", result, file, err)
	}
	checkIndexes(t, recorder.operations)
}

// checkIndexes: each acknowledged write has an index of its own, above those of
// all that had ended before it began.
func checkIndexes(t *testing.T, operations []porcupine.Operation) {
	t.Helper()
	writes := slices.DeleteFunc(slices.Clone(operations), func(o porcupine.Operation) bool { return o.Output.(answered).index == 0 })
	index := func(o porcupine.Operation) uint64 { return o.Output.(answered).index }
	byCall := slices.SortedFunc(slices.Values(writes), func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	byReturn := slices.SortedFunc(slices.Values(writes), func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	seen := map[uint64]porcupine.Operation{}
	highest, ended := uint64(0), 0
	for _, o := range byCall {
		for ; byReturn[ended].Return < o.Call; ended++ {
			highest = max(highest, index(byReturn[ended]))
		}
		if index(o) <= highest {
			t.Errorf("%+v began when %d was acknowledged and has index %d", o.Input, highest, index(o))
		}
		if other, twice := seen[index(o)]; twice {
			t.Errorf("%+v and %+v both have index %d", o.Input, other.Input, index(o))
		}
		seen[index(o)] = o
	}
}

// client asks one member, one request after the other.
type client struct {
	number  int
	member  *member
	history *recorder
	draw    *rand.Rand
	known   map[string]string // the latest value seen of each key
}

func (c *client) run(ctx context.Context) {
	web := newWeb()
	defer web.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("h%d", c.draw.IntN(30))
		in := asked{key: key, kind: []string{"get", "get", "set", "set", "swap", "swap", "delete"}[c.draw.IntN(7)],
			value: fmt.Sprintf("%d-%d", c.number, i), previous: c.known[key]}
		if in.kind == "swap" && in.previous == "" {
			in.kind = "get"
		}
		call := time.Now()
		out := c.ask(web, in)
		if !out.unsent {
			c.history.note(c.number, call, in, out)
		}
		switch {
		case out.unsent || out.unknown: // its member is down, or finds no sequencer: the next may be answered
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		case in.kind == "get":
			c.known[key] = out.value
		case in.kind == "delete" || out.missing || out.refused:
			delete(c.known, key)
		default:
			c.known[key] = in.value
		}
	}
}

// ask asks, and lets no request be cut off in its midst when the test ends: its
// outcome would be unknown, and too many of those cannot be checked.
func (c *client) ask(web *http.Client, in asked) answered {
	method, form, target := http.MethodPut, url.Values{}, c.member.client()+"/v2/keys/"+in.key
	switch in.kind {
	case "get":
		method, target = http.MethodGet, target+"?quorum=true"
	case "delete":
		method = http.MethodDelete
	case "swap":
		form.Set("prevValue", in.previous)
		form.Set("value", in.value)
	default:
		form.Set("value", in.value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, err := ask(ctx, web, method, target, form)
	var body struct {
		Node struct {
			Value         string
			ModifiedIndex uint64
		}
	}
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &body); err != nil {
			return answered{unknown: true}
		}
		if in.kind == "get" {
			return answered{value: body.Node.Value}
		}
		return answered{index: body.Node.ModifiedIndex}
	case errors.Is(err, syscall.ECONNREFUSED):
		return answered{unsent: true}
	case strings.Contains(err.Error(), `"errorCode":100,`):
		return answered{missing: true}
	case strings.Contains(err.Error(), `"errorCode":101,`):
		return answered{refused: true}
	}
	return answered{unknown: true}
}

// writeHistory draws what cannot be explained, to be looked at with a browser.
func writeHistory(model porcupine.Model, info porcupine.LinearizationInfo) (name string, err error) {
	file, err := os.CreateTemp("", "history-*.html")
	if err != nil {
		return "", err
	}
	err = porcupine.Visualize(model, info, file)
	return file.Name(), errors.Join(err, file.Close())
}
