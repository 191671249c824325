package httpapi

import (
	"encoding/json"
	"net/http"
	"time"

	"argosy/core/api"
)

// sender is a ResponseWriter that remembers what has been sent.
type sender struct {
	http.ResponseWriter
	code int // 0: nothing yet
}

func (s *sender) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
		s.ResponseWriter.WriteHeader(code)
	}
}

func (s *sender) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what lies below.
func (s *sender) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// stalled is how long a client may take nothing before its stream ends.
const stalled = 30 * time.Second

// stream writes each piece through to the client at once.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) stream {
	return stream{w, http.NewResponseController(w)}
}

func (s stream) Write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(stalled))
	n, err := s.w.Write(p)
	if err == nil {
		err = s.control.Flush()
	}
	_ = s.control.SetWriteDeadline(time.Time{}) // silence may last
	return n, err
}

// sendJSON answers with value.
func sendJSON(w http.ResponseWriter, code int, value any) error {
	body, err := encode(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = newStream(w).Write(body) // a client that went away needs no answer
	return nil
}

// sendError answers with err, or puts it behind the output that is already
// under way.
func sendError(w *sender, err error) {
	e := api.AsError(err)
	if w.code != 0 {
		w.Header().Set(api.ErrorTrailer, oneLine(e.Message))
		return
	}
	if e.Code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Del("Trailer")
	_ = sendJSON(w, e.Code, api.ErrorBody{Error: e})
}

// encode is JSON as people read it: a text's <, > and & stay themselves.
func encode(value any) ([]byte, error) {
	var out lineBuffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return out, err
}

type lineBuffer []byte

func (b *lineBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// oneLine makes s fit for a header.
func oneLine(s string) string {
	line := []rune(s)
	for i, c := range line {
		if c < ' ' || c == 0x7f {
			line[i] = ' '
		}
	}
	return string(line)
}
