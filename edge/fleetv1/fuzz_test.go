package fleetv1_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"argosy/core/cluster"
	handler "argosy/edge/fleetv1"
	"argosy/edge/memstore"
	"argosy/role/registry"
)

// FuzzRequests: no request breaks the handler, and what is refused is not stored.
func FuzzRequests(f *testing.F) {
	f.Add("PUT", "/fleet/v1/units/web.service", fmt.Sprintf(sleeper, "launched"))
	f.Add("PATCH", "/v1-alpha/machines", `[{"op":"add","path":"/m/metadata/k","value":"v"}]`)
	f.Add("PATCH", "/fleet/v1/machines", list(patch("add", machineOne, "k", "v"), patch("remove", machineOne, "j", "")))
	f.Add("GET", "/fleet/v1/state?nextPageToken=dQcAAAAAAAAA", "")
	store := telling{memstore.New(), make(chan struct{}, 1)}
	reg := registry.New(store, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(f.Context())
	ended := make(chan error)
	go func() { ended <- reg.Run(ctx) }()
	<-store.told
	f.Cleanup(func() {
		cancel()
		<-ended
	})
	h := handler.New(handler.Config{Registry: reg, By: called("fuzz"), May: anything})
	f.Fuzz(func(t *testing.T, method, path, body string) {
		target, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		before := store.Writes()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &http.Request{
			Method: method, URL: target, Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Type": {"application/json"}},
		})
		if w.Code >= 500 {
			t.Errorf("%q %q %q: %d %s", method, path, body, w.Code, w.Body)
		}
		if w.Code >= 400 && store.Writes() != before {
			t.Errorf("%q %q %q: %d, and something was written", method, path, body, w.Code)
		}
	})
}

// telling is a store that says when its first batch has been taken in.
type telling struct {
	*memstore.Store
	told chan struct{} // holds one
}

func (s telling) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	return s.Store.Follow(ctx, scope, func(batch cluster.Batch) error {
		err := deliver(batch)
		select {
		case s.told <- struct{}{}:
		default:
		}
		return err
	})
}
