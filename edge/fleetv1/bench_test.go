package fleetv1_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	handler "argosy/edge/fleetv1"
	"argosy/edge/memstore"
	"argosy/role/registry"
)

// bench is the API over a true registry and a store in memory, in a synctest bubble.
type bench struct {
	*testing.T
	store    *memstore.Store
	registry *registry.Registry
	handler  http.Handler
}

// run gives a test its bench. Time is the bubble's.
func run(t *testing.T, test func(*bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, store: memstore.New()}
		reg := registry.New(b.store, slog.New(slog.DiscardHandler))
		b.registry = reg
		b.handler = handler.New(handler.Config{Registry: reg, By: called("tester"), May: anything, Version: "1.2.3"})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- reg.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		test(b)
	})
}

// answer is what came back.
type answer struct {
	code   int
	body   string
	header http.Header
}

func (b *bench) ask(method, path, body string) answer {
	b.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPut {
		r.Header.Set("Content-Type", "application/json")
	}
	return b.send(r)
}

func (b *bench) send(r *http.Request) answer {
	b.Helper()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	got := answer{w.Code, w.Body.String(), w.Header()}
	if got.header.Get("Server") != "fleetd/1.2.3" {
		b.Errorf("%s %s: Server %q", r.Method, r.URL, got.header.Get("Server"))
	}
	if (got.body == "") != (got.code == 201 || got.code == 204) {
		b.Errorf("%s %s: %d with body %q", r.Method, r.URL, got.code, got.body)
	}
	if got.body != "" && got.header.Get("Content-Type") != "application/json" {
		b.Errorf("%s %s: Content-Type %q", r.Method, r.URL, got.header.Get("Content-Type"))
	}
	return got
}

// want asks and compares the status and, where it is an error, a part of the message.
func (b *bench) want(code int, message, method, path, body string) {
	b.Helper()
	got := b.ask(method, path, body)
	if got.code != code || code < 400 {
		if got.code != code {
			b.Errorf("%s %s %.100s: %d %s, want %d", method, path, body, got.code, got.body, code)
		}
		return
	}
	b.wantError(got, code, message)
}

func (b *bench) wantError(got answer, code int, message string) {
	b.Helper()
	var e struct {
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.code != code || e.Error.Code != code || !strings.Contains(e.Error.Message, message) {
		b.Errorf("%d %s, want %d and %q", got.code, got.body, code, message)
	}
}

// read asks for JSON and decodes it.
func read[T any](b *bench, path string) (value T, got answer) {
	b.Helper()
	got = b.ask("GET", path, "")
	if got.code != 200 {
		b.Fatalf("GET %s: %d %s", path, got.code, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), &value); err != nil {
		b.Fatalf("GET %s: %s: %v", path, got.body, err)
	}
	return value, got
}

const (
	sleeper     = `{"desiredState":%q,"options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}]}`
	sleeperText = "[Service]\nExecStart=/usr/bin/sleep 3000\n"
	machineOne  = cluster.MachineID("11111111111111111111111111111111")
	machineTwo  = cluster.MachineID("22222222222222222222222222222222")
)

// join makes a machine of the cluster and returns its lease.
func (b *bench) join(id cluster.MachineID, metadata map[string]string) int64 {
	b.Helper()
	lease, err := b.store.GrantLease(b.Context(), time.Hour)
	if err == nil {
		_, err = b.store.PutMachine(b.Context(), cluster.Machine{ID: id, Name: "core", Address: "10.0.0.1", Lease: lease, Metadata: metadata})
	}
	if err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
	return lease
}

func (b *bench) publish(lease int64, id cluster.MachineID, states ...cluster.UnitState) {
	b.Helper()
	if err := b.store.PutStates(b.Context(), lease, id, states, nil); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}
