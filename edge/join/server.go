// Package join is the port at which machines and people come by certificates: those
// who have none yet with a token, those whose certificate ends or has ended with the
// key of it. It is TCP with TLS, at which the server alone shows a certificate, so
// it must stand whatever strangers send. It carries wishes and answers of
// core/access and decides nothing.
package join

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"argosy/core/access"
)

// Port is where members let others join.
const Port = "49154"

// Paths of the two requests, both POST.
const (
	joinPath  = "/argosy/v2/join"
	renewPath = "/argosy/v2/renew"
)

// Limits on strangers.
const (
	// Connections may be open at once, and PerAddress of them from one address: a
	// thousand machines that join at once take turns.
	Connections = 128
	PerAddress  = 32
	// AtOnce are the requests that are worked on; others are told to come again.
	AtOnce = 16
	// patience is how long a client may take for its handshake and headers, for its
	// body, and to read the answer.
	patience = 10 * time.Second
	// workTime is how long an answer may take to come about: a new member of the
	// store waits for one before it.
	workTime = 45 * time.Second
	// largest is more than three certificate requests take.
	largest = 64 << 10
)

// Office decides. Several requests may be before it at once.
type Office interface {
	Admit(ctx context.Context, wish access.Wish, from string) (access.Answer, error)
	Renew(ctx context.Context, renewal access.Renewal, from string) (access.Answer, error)
}

// Serve answers at the listener, over TLS, until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, secrets *tls.Config, office Office) error {
	room := make(chan struct{}, AtOnce)
	mux := http.NewServeMux()
	mux.Handle("POST "+joinPath, bounded(room, office.Admit))
	mux.Handle("POST "+renewPath, bounded(room, office.Renew))
	server := &http.Server{
		Handler:           mux,
		TLSConfig:         secrets,
		ReadHeaderTimeout: patience, // of the handshake too
		ReadTimeout:       2 * patience,
		WriteTimeout:      2*patience + workTime,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // strangers' slips are no news of ours
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	server.SetKeepAlivesEnabled(false)
	var stopped sync.WaitGroup
	serving, cut := context.WithCancel(ctx)
	stopped.Go(func() {
		<-serving.Done()
		_ = server.Close() // who was not answered asks another member
	})
	err := server.ServeTLS(fair(netutil.LimitListener(listener, Connections), PerAddress), "", "")
	cut()
	stopped.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("let others join at %s: %w", listener.Addr(), err)
	}
	return nil
}

// fault is the body of an answer that grants nothing.
type fault struct {
	Error string `json:"error"`
}

// bounded answers one kind of request, as many at once as there is room for.
func bounded[T any](room chan struct{}, do func(context.Context, T, string) (access.Answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked T
		if err := decode(http.MaxBytesReader(w, r.Body, largest), &asked); err != nil {
			tell(w, http.StatusBadRequest, fault{"read the request: " + err.Error()})
			return
		}
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			tell(w, http.StatusTooManyRequests, fault{"too many ask at once: come again"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), workTime)
		defer cancel()
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		answer, err := do(ctx, asked, from)
		switch {
		case errors.Is(err, access.ErrTokenRefused), errors.Is(err, access.ErrRefused):
			tell(w, http.StatusForbidden, fault{err.Error()})
		case err != nil:
			tell(w, http.StatusServiceUnavailable, fault{err.Error()})
		default:
			tell(w, http.StatusOK, answer)
		}
	})
}

// decode reads one JSON value of known fields and nothing behind it.
func decode(from io.Reader, into any) error {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

func tell(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who has gone is not told
}
