package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"argosy/core/api"
	"argosy/core/cluster"
)

func newClient(t *testing.T, endpoints ...string) *Client {
	t.Helper()
	c, err := New(Config{Endpoints: endpoints, Trace: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// serving runs a server of the handler until the test ends.
func serving(t *testing.T, handler http.HandlerFunc) string {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func send(w http.ResponseWriter, value any) {
	_ = json.NewEncoder(w).Encode(value)
	w.(http.Flusher).Flush()
}

func TestEndpoints(t *testing.T) {
	for _, good := range []string{"unix:///run/fleet.sock", "file:///run/fleet.sock", "http://127.0.0.1:49153", "https://core-01:49153/"} {
		if _, err := New(Config{Endpoints: []string{good}}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "core-01", "core-01:49153", "unix://run/fleet.sock", "unix:", "https://", "https://core-01/x", "ssh://core-01", ":", "http://a b"} {
		if _, err := New(Config{Endpoints: []string{bad}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("%q: %v, want it refused by its name", bad, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no endpoint at all is taken")
	}
}

func TestAnotherEndpointAnswers(t *testing.T) {
	dead := "unix://" + filepath.Join(t.TempDir(), "none")
	live := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		send(w, api.Machines{Machines: []api.Machine{{Name: "core-01"}}})
	})
	answer, err := newClient(t, dead, live).Machines(t.Context())
	if err != nil || len(answer.Machines) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	_, err = newClient(t, dead, dead).Machines(t.Context())
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestTheOneThatAnsweredComesFirst, and who is passed over is told of.
func TestTheOneThatAnsweredComesFirst(t *testing.T) {
	live := serving(t, func(w http.ResponseWriter, _ *http.Request) { send(w, api.Machines{}) })
	var told []string
	c, err := New(Config{Endpoints: []string{"unix:///nowhere", live}, PassedOver: func(err *UnreachableError, next string) {
		told = append(told, err.Endpoint+" then "+next)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for range 3 {
		if _, err := c.Machines(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(told); got != "[unix:///nowhere then "+live+"]" {
		t.Errorf("told of %s", got)
	}
}

func TestFollowJournal(t *testing.T) {
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.RawQuery; got != "after=c1&cursors=true&follow=true&lines=3&machine=m&output=cat" {
			t.Errorf("asked for %s", got)
		}
		w.Header().Set("Trailer", api.ErrorTrailer)
		for _, piece := range []api.JournalPiece{{}, {Text: []byte("a\n")}, {}, {Text: []byte("\xff\n"), Cursor: "c2"}} {
			send(w, piece)
		}
		w.Header().Set(api.ErrorTrailer, "the journal is full")
	}))
	var got []string
	err := c.FollowJournal(t.Context(), "web.service", "m", api.JournalOptions{Lines: 3, Output: "cat", After: "c1"}, func(p api.JournalPiece) error {
		got = append(got, fmt.Sprintf("%q %s", p.Text, p.Cursor))
		return nil
	})
	if want := []string{`"a\n" `, `"\xff\n" c2`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err == nil || err.Error() != "the stream ended: the journal is full" {
		t.Errorf("ended with %v", err)
	}
}

func TestRestartIsOver(t *testing.T) {
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != api.Base+"/units/a@1.service/restart?machine=m" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Trailer", api.ExitTrailer)
		w.WriteHeader(http.StatusOK)
		w.Header().Set(api.ExitTrailer, "0")
	}))
	if err := c.Restart(t.Context(), "a@1.service", "m"); err != nil {
		t.Error(err)
	}
	c = newClient(t, serving(t, func(http.ResponseWriter, *http.Request) {}))
	if err := c.Restart(t.Context(), "a@1.service", "m"); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("an answer without an end: %v", err)
	}
}

func TestReadsShowOwnWrites(t *testing.T) {
	var asked atomic.Value
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPut:
			send(w, api.Written{Revision: 42})
		case http.MethodDelete:
			send(w, api.Written{Revision: 41})
		default:
			asked.Store(r.URL.Query().Get("minRevision"))
			send(w, api.Units{})
		}
	}))
	ctx := t.Context()
	if _, err := c.Units(ctx); err != nil || asked.Load() != "" {
		t.Errorf("before a write: minRevision=%v, %v", asked.Load(), err)
	}
	text := "[Unit]\n"
	if _, err := c.SetUnit(ctx, "a.service", api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Destroy(ctx, "b.service"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UnitsNamed(ctx, []cluster.UnitName{"a.service"}); err != nil || asked.Load() != "42" {
		t.Errorf("after writes at 42 and 41: minRevision=%v, %v", asked.Load(), err)
	}
}

func TestNamesGoInParts(t *testing.T) {
	var requests atomic.Int64
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var answer api.Units
		for _, name := range r.URL.Query()["unit"] {
			answer.Units = append(answer.Units, api.Unit{Name: cluster.UnitName(name)})
		}
		send(w, answer)
	}))
	var names []cluster.UnitName
	for i := range 2*namesPerRequest + 1 {
		names = append(names, cluster.UnitName(fmt.Sprintf("a@%d.service", i)))
	}
	answer, err := c.UnitsNamed(t.Context(), names)
	if err != nil || len(answer.Units) != len(names) || requests.Load() != 3 {
		t.Errorf("%d of %d units by %d requests, %v", len(answer.Units), len(names), requests.Load(), err)
	}
}

func TestErrorAnswers(t *testing.T) {
	reply := func(code int, body string) *Client {
		return newClient(t, serving(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}))
	}
	ctx := t.Context()
	_, err := reply(404, `{"error":{"code":404,"message":"unit a: not found","hint":"did you mean b?"}}`).Unit(ctx, "a.service")
	var e *api.Error
	if !errors.Is(err, cluster.ErrNotFound) || !errors.As(err, &e) || e.Hint != "did you mean b?" {
		t.Errorf("%v", err)
	}
	for name, body := range map[string]string{"a proxy's page": "<html>", "nothing": "", "another JSON": `{"error":"x"}`, "no message": `{"error":{}}`} {
		if _, err := reply(502, body).Unit(ctx, "a.service"); !errors.As(err, &e) || e.Code != 502 || e.Message != "502 Bad Gateway" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reply(200, `{"unit":`).Unit(ctx, "a.service"); err == nil || !strings.Contains(err.Error(), "read the answer") {
		t.Errorf("half an answer: %v", err)
	}
}

func TestUnreadyServerIsAskedAgain(t *testing.T) {
	var asked atomic.Int64
	c := newClient(t, serving(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		send(w, api.Machines{})
	}))
	if _, err := c.Machines(t.Context()); err != nil || asked.Load() != 2 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

func TestOutput(t *testing.T) {
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", api.ExitTrailer+", "+api.ErrorTrailer)
		fmt.Fprintf(w, "%s?%s\n", r.URL.Path, r.URL.RawQuery)
		switch {
		case strings.Contains(r.URL.Path, "broken"):
			w.Header().Set(api.ErrorTrailer, "journalctl: bad entry")
		case strings.Contains(r.URL.Path, "half"):
		default:
			w.Header().Set(api.ExitTrailer, "3")
		}
	}))
	var out bytes.Buffer
	code, err := c.Status(t.Context(), `a\x2d.service`, "", &out)
	if code != 3 || err != nil || out.String() != api.Base+`/units/a\x2d.service/status?`+"\n" {
		t.Errorf("%d, %v, %q", code, err, out.String())
	}
	out.Reset()
	options := api.JournalOptions{Lines: 5, Follow: true, Output: "cat"}
	if code, err = c.Journal(t.Context(), "a.service", "x", options, &out); code != 3 || err != nil ||
		!strings.HasSuffix(out.String(), "journal?follow=true&lines=5&machine=x&output=cat\n") {
		t.Errorf("%d, %v, %q", code, err, out.String())
	}
	if _, err = c.Status(t.Context(), "broken.service", "", &out); err == nil || err.Error() != "journalctl: bad entry" {
		t.Errorf("an error behind the output: %v", err)
	}
	if _, err = c.Status(t.Context(), "half.service", "", &out); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("output without its end: %v", err)
	}
}

func TestWatchComesThroughAgain(t *testing.T) {
	var opened atomic.Int64
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		n := opened.Add(1)
		if n == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		send(w, api.WatchLine{Unit: &api.Unit{Name: "a.service", Generation: n}})
		if n > 2 {
			<-r.Context().Done()
		}
	}))
	done := errors.New("seen")
	err := c.Watch(t.Context(), []cluster.UnitName{"a.service"}, func(line api.WatchLine) error {
		if line.Unit.Generation == 3 {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || opened.Load() != 3 {
		t.Errorf("%v after %d streams", err, opened.Load())
	}
}

func TestWatchEnds(t *testing.T) {
	refusing := newClient(t, serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	var e *api.Error
	if err := refusing.Watch(t.Context(), []cluster.UnitName{"a"}, nil); !errors.As(err, &e) || e.Code != 400 {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	open := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		send(w, api.WatchLine{})
		<-r.Context().Done()
	}))
	err := open.Watch(ctx, []cluster.UnitName{"a.service"}, func(api.WatchLine) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestManyWatched watches more units than one request may name.
func TestManyWatched(t *testing.T) {
	c := newClient(t, serving(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range r.URL.Query()["unit"] {
			send(w, api.WatchLine{Unit: &api.Unit{Name: cluster.UnitName(name)}})
		}
		<-r.Context().Done()
	}))
	var names []cluster.UnitName
	for i := range namesPerRequest + 1 {
		names = append(names, cluster.UnitName(fmt.Sprintf("a@%d.service", i)))
	}
	seen, all := map[cluster.UnitName]bool{}, errors.New("all")
	if err := c.Watch(t.Context(), names, func(line api.WatchLine) error {
		if seen[line.Unit.Name] = true; len(seen) == len(names) {
			return all
		}
		return nil
	}); !errors.Is(err, all) {
		t.Errorf("%v after %d units", err, len(seen))
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { send(w, api.States{}) })}}
	s.Start()
	t.Cleanup(s.Close)
	if _, err := newClient(t, "unix://"+path).States(t.Context()); err != nil {
		t.Error(err)
	}
}
