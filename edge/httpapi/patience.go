package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyTime is how long a client may take to send a body.
const bodyTime = 30 * time.Second

// withPatience bounds the time of a request's body, whoever reads it. Where nobody
// does, or where reading it has failed, net/http itself reads what is left before it
// answers: for as long as a client likes to go on, without this.
func withPatience(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return // a stream may last, and there is nothing to wait for
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a recorder in a test has none
	r.Body = timed{r.Body, control}
}

// timed is a body that has arrived in time once its end was read. What its client
// does afterwards, such as waiting for the answer, is no part of it.
type timed struct {
	io.ReadCloser
	control *http.ResponseController
}

func (t timed) Read(into []byte) (int, error) {
	n, err := t.ReadCloser.Read(into)
	if errors.Is(err, io.EOF) {
		_ = t.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
