package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

const (
	// A stream says that it is alive every 2 s. One that has been silent for
	// this long is opened anew, perhaps through another machine.
	silence = 10 * time.Second
	// patience is how long a watch tries to come through again.
	patience = 30 * time.Second
)

// Watch tells of each named unit as it is now and at each change. tell is called
// by one goroutine at a time. A stream that breaks is opened again, and tells
// every unit anew. Watch ends with ctx, with tell's error, or when the cluster
// has not been reached for half a minute.
func (c *Client) Watch(ctx context.Context, names []cluster.UnitName, tell func(api.WatchLine) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		one   sync.Mutex
		parts = chunks(names)
		ended = make(chan error, len(parts))
	)
	for _, part := range parts {
		go func() {
			ended <- c.watch(ctx, part, func(line api.WatchLine) error {
				one.Lock()
				defer one.Unlock()
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return tell(line)
			})
		}()
	}
	var first error
	for range parts {
		if err := <-ended; first == nil {
			first = err
		}
		cancel()
	}
	return first
}

// tellError is an error of the one who is told: the end, not a broken stream.
type tellError struct{ error }

func (e tellError) Unwrap() error { return e.error }

func (c *Client) watch(ctx context.Context, names []cluster.UnitName, tell func(api.WatchLine) error) error {
	heard := time.Now()
	for {
		err := stream(ctx, c, "/watch", c.reading(unitQuery(names)), func(line api.WatchLine) error {
			heard = time.Now()
			if err := tell(line); err != nil {
				return tellError{err}
			}
			return nil
		})
		var told tellError
		var answered *api.Error
		switch {
		case errors.As(err, &told):
			return told.error
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &answered) && answered.Code < http.StatusInternalServerError:
			return err
		case time.Since(heard) > patience:
			return fmt.Errorf("watch: %w", err)
		}
		c.trace(fmt.Sprintf("watch: opening it again after: %v", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// stream opens one stream of JSON values and reads it to its end, which is always
// an error.
func stream[T any](ctx context.Context, c *Client, path string, q url.Values, tell func(T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(silence, func() { cancel(errors.New("the stream has gone silent")) })
	defer guard.Stop()
	response, err := c.open(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(bufio.NewReader(response.Body))
	for {
		var line T
		if err := decoder.Decode(&line); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			if fault := response.Trailer.Get(api.ErrorTrailer); fault != "" {
				err = errors.New(fault)
			}
			return fmt.Errorf("the stream ended: %w", err)
		}
		guard.Reset(silence)
		if err := tell(line); err != nil {
			return err
		}
	}
}
