// Package v2keys serves etcd 2's keys API over HTTP: /v2/keys as curl and any
// program written for etcd 2 knows it. What requests mean is decided by
// core/keyspace; who keeps the keys is a Keys. This package is the HTTP
// between them: methods, paths, headers, and answers that wait.
package v2keys

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"argosy/core/keyspace"
)

// Prefix is where the keys are served.
const Prefix = "/v2/keys"

// Keys keeps the keys. A refusal is a *keyspace.Error; any other error says
// that the request could not be carried out, and is answered as etcd answers
// when its consensus fails (error 300).
type Keys interface {
	Read(ctx context.Context, get keyspace.Get) (Answer, error)
	Write(ctx context.Context, write keyspace.Write) (Answer, error)
	// Wait registers the watch before it returns. The Waiting must be closed.
	Wait(ctx context.Context, watch keyspace.Watch) (Waiting, error)
}

// Answer is what came of a request, with the indexes at that moment.
type Answer struct {
	Event keyspace.Event
	Index uint64 // the tree's
	Raft  Raft
}

// Raft is how far the cluster's consensus was.
type Raft struct{ Index, Term uint64 }

// Waiting is a registered watch.
type Waiting interface {
	// Since is the tree's index when the watch was registered.
	Since() (index uint64, raft Raft)
	// Next waits for an event; false when ctx ends, or when no more will come
	// because the one who waits has fallen too far behind.
	Next(ctx context.Context) (keyspace.Event, bool)
	Close()
}

// Handler serves a Keys.
type Handler struct {
	Keys      Keys
	ClusterID string           // X-Etcd-Cluster-Id, in hexadecimal as etcd prints it
	Now       func() time.Time // from when a TTL counts
	Security  *Security        // who may do what; nil for everybody everything
	Limits    Limits

	once  sync.Once
	forms chan struct{} // one for each large form that is held
}

const methods = "HEAD,GET,PUT,POST,DELETE"

// ServeHTTP answers below Prefix, and 404 elsewhere.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if tidy := tidyPath(r.URL.Path); tidy != r.URL.Path && r.Method != http.MethodConnect {
		to := url.URL{Path: tidy, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusMovedPermanently)
		return
	}
	key, ours := strings.CutPrefix(r.URL.Path, Prefix)
	if !ours || key != "" && key[0] != '/' {
		http.NotFound(w, r)
		return
	}
	if !strings.Contains(","+methods+",", ","+r.Method+",") {
		w.Header().Set("Allow", methods)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("X-Etcd-Cluster-Id", h.ClusterID)
	if err := h.serve(w, r, keyspace.CleanKey(key)); err != nil {
		refuse(w, err)
	}
}

// serve returns an error only while nothing has been answered yet.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, key keyspace.Key) error {
	done, err := h.admit(r)
	if err != nil {
		return err
	}
	defer done()
	if err := readForm(w, r, h.Limits); err != nil {
		return err
	}
	query, err := keyspace.Parse(r.Method, key, r.Form, h.Now())
	if err != nil {
		return err
	}
	if err := h.Security.allows(r, query.Request); err != nil {
		return err
	}
	switch request := query.Request.(type) {
	case keyspace.Watch:
		return h.wait(w, r, request)
	case keyspace.Get:
		answer, err := h.Keys.Read(r.Context(), request)
		if err != nil {
			return err
		}
		reply(w, http.StatusOK, answer)
	case keyspace.Write:
		answer, err := h.Keys.Write(r.Context(), request)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if answer.Event.Created() {
			status = http.StatusCreated
		}
		if query.NoValues {
			answer.Event = answer.Event.WithoutValues()
		}
		reply(w, status, answer)
	}
	return nil
}

// wait answers the headers at once, so that the asker knows that from here on
// nothing escapes it, and each event when it comes.
func (h *Handler) wait(w http.ResponseWriter, r *http.Request, watch keyspace.Watch) error {
	waiting, err := h.Keys.Wait(r.Context(), watch)
	if err != nil {
		return err
	}
	defer waiting.Close()
	index, raft := waiting.Since()
	headers(w, index, raft)
	w.WriteHeader(http.StatusOK)
	if h.push(w, nil) != nil {
		return nil
	}
	for {
		event, more := waiting.Next(r.Context())
		if !more || h.push(w, event.AppendJSON(nil)) != nil || !watch.Stream {
			return nil
		}
	}
}

// push sends to one who waits, who has a while to take it.
func (h *Handler) push(w http.ResponseWriter, text []byte) error {
	answer := http.NewResponseController(w)
	_ = answer.SetWriteDeadline(time.Now().Add(answerTime))
	defer func() { _ = answer.SetWriteDeadline(time.Time{}) }()
	if _, err := w.Write(text); err != nil {
		return err
	}
	return answer.Flush()
}

func reply(w http.ResponseWriter, status int, answer Answer) {
	headers(w, answer.Index, answer.Raft)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	w.WriteHeader(status)
	// An asker who has gone is told nothing.
	_, _ = w.Write(answer.Event.AppendJSON(nil))
}

func headers(w http.ResponseWriter, index uint64, raft Raft) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(index, 10))
	w.Header().Set("X-Raft-Index", strconv.FormatUint(raft.Index, 10))
	w.Header().Set("X-Raft-Term", strconv.FormatUint(raft.Term, 10))
}

// refuse answers an error, and one that is no refusal as a fault of consensus.
func refuse(w http.ResponseWriter, err error) {
	var refusal *keyspace.Error
	if !errors.As(err, &refusal) {
		refusal = &keyspace.Error{Code: keyspace.RaftInternal, Cause: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Etcd-Index", strconv.FormatUint(refusal.Index, 10))
	w.WriteHeader(refusal.Code.Status())
	_, _ = w.Write(refusal.AppendJSON(nil))
}

// tidyPath is the path without dots and doubled slashes; a slash at the end stays.
func tidyPath(raw string) string {
	tidy := path.Clean("/" + raw)
	if strings.HasSuffix(raw, "/") && tidy != "/" {
		tidy += "/"
	}
	return tidy
}
