package v2keys

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"argosy/core/keyspace"
)

// What one client, or all of them together, may take of a member. Connections are
// etcd's to count: as many as the process may have files, less 150; more wait.
const (
	// mostWaits is how many may wait on one member; the next is refused (error 300).
	mostWaits = 20_000
	// formTime is how long a form may take to arrive.
	formTime = 30 * time.Second
	// answerTime is how long a client may leave an answer, or an event of a
	// stream, unread once the kernel's buffers are full.
	answerTime = 30 * time.Second
	// tooLargeForm is where etcd 2 does not read a form at all (error 210).
	tooLargeForm = 10 << 20
	// smallForm is what each connection may hold; of larger ones formsAtOnce are
	// read and carried out at a time, the others wait.
	smallForm   = 16 << 10
	formsAtOnce = 64
)

var (
	errTooManyWaits = fmt.Errorf("etcdserver: too many wait: %d at most", mostWaits)
	errSlow         = fmt.Errorf("etcdserver: the request did not arrive within %v", formTime)
)

// admit waits until there is room for the request's form; done gives it back.
func (h *Handler) admit(r *http.Request) (done func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= smallForm {
		return func() {}, nil
	}
	if r.ContentLength > tooLargeForm {
		return nil, keyspace.BadForm(errors.New("http: POST too large"))
	}
	h.once.Do(func() { h.forms = make(chan struct{}, formsAtOnce) })
	select {
	case h.forms <- struct{}{}:
		return func() { <-h.forms }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// readForm reads the query and the form, within time and size.
func readForm(w http.ResponseWriter, r *http.Request, limits Limits) error {
	// A server without deadlines (a test's recorder) has no slow clients either.
	timing := http.NewResponseController(w)
	if r.ContentLength != 0 {
		_ = timing.SetReadDeadline(time.Now().Add(formTime))
		r.Body = http.MaxBytesReader(w, r.Body, limits.largestForm())
	}
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	var slow interface{ Timeout() bool }
	switch {
	case err == nil:
		// Not after a fault: net/http would wait for the rest before it answers.
		_ = timing.SetReadDeadline(time.Time{})
		return nil
	case errors.As(err, &tooLarge):
		return limits.tooLarge()
	case errors.As(err, &slow) && slow.Timeout():
		return errSlow
	}
	return keyspace.BadForm(err)
}

// readBody reads a request of JSON, within time and size.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	timing := http.NewResponseController(w)
	_ = timing.SetReadDeadline(time.Now().Add(formTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	if err == nil {
		_ = timing.SetReadDeadline(time.Time{})
	}
	return body, err
}
