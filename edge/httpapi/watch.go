package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
)

// watch streams each named unit as it is, at each change, until the client goes.
func (a *API) watch(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision", "unit")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	names, err := q.units()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return api.Invalid("a watch of nothing", "name units: "+api.Base+"/watch?unit=web.service&unit=db.service")
	}
	r, leave, err := a.enterStream(r)
	if err != nil {
		return err
	}
	defer leave()
	w.Header().Set("Content-Type", api.MediaLines)
	w.Header().Set("Trailer", api.ErrorTrailer)
	out := newStream(w)
	return a.config.Registry.Watch(r.Context(), least, names, func(line api.WatchLine) error {
		text, err := encode(line)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	})
}

// enterStream counts a stream in, and has its request end when the server
// closes; leave counts it out.
func (a *API) enterStream(r *http.Request) (under *http.Request, leave func(), err error) {
	select {
	case a.streams <- struct{}{}:
	default:
		return nil, nil, &api.Error{
			Code: http.StatusTooManyRequests, Message: fmt.Sprintf("%d streams are open on this machine", maxStreams),
			Hint: "close some, or ask another machine",
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	detach := func() bool { return true }
	if closing, served := r.Context().Value(closingKey{}).(context.Context); served {
		detach = context.AfterFunc(closing, cancel)
	}
	return r.WithContext(ctx), func() {
		detach()
		cancel()
		<-a.streams
	}, nil
}
