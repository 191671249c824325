package fleetv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"argosy/core/api"
	"argosy/core/fleetv1"
	"argosy/core/unitfile"
)

// maxBodyBytes is far above any unit file that people write. fleet had no limit.
const maxBodyBytes = 2*unitfile.MaxTextBytes + 64<<10

// readBody takes the whole body in, within its size; the server that this API is
// beside bounds its time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &api.Error{Code: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", maxBodyBytes)}
	case err != nil:
		return nil, api.Invalid("unable to read body: "+err.Error(), "")
	}
	return body, nil
}

// checkType refuses a body that does not call itself JSON, as fleet did.
func checkType(r *http.Request) error {
	values := r.Header.Values("Content-Type")
	message := "only acceptable Content-Type is application/json"
	if len(values) != 1 {
		message = fmt.Sprintf("expected 1 Content-Type, got %d", len(values))
	} else if kind, _, _ := strings.Cut(values[0], ";"); strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return nil
	}
	return &api.Error{Code: http.StatusUnsupportedMediaType, Message: message}
}

// parseQuery reads a request's parameters. Those that are not known are ignored:
// fleet's clients send alt=json.
func parseQuery(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, api.Invalid("the query does not parse: "+err.Error(), "")
	}
	return values, nil
}

// pageToken is where the page that is asked for begins; the zero Token for the first.
func pageToken(query url.Values, kind fleetv1.Kind) (fleetv1.Token, error) {
	switch texts := query["nextPageToken"]; len(texts) {
	case 0:
		return fleetv1.Token{}, nil
	case 1:
		return fleetv1.ParseToken(texts[0], kind)
	default:
		return fleetv1.Token{}, api.Invalid("too many values for page token", "give one nextPageToken")
	}
}

// sendRead answers a read, with how old the answer is.
func sendRead(w http.ResponseWriter, fresh api.Freshness, value any) error {
	w.Header().Set(fleetv1.AgeHeader, strconv.FormatInt(int64(math.Round(fresh.AgeSeconds)), 10))
	if fresh.Age() > api.Stale {
		w.Header().Set(fleetv1.StaleHeader, "the store cannot be reached; as of "+fresh.AsOf.UTC().Format(time.RFC3339))
	}
	return sendJSON(w, http.StatusOK, value)
}

func sendJSON(w http.ResponseWriter, code int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that went away needs no answer
	return nil
}

func sendError(w http.ResponseWriter, err error) {
	e := fleetv1.ErrorOf(err)
	if e.Code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	_ = sendJSON(w, e.Code, fleetv1.ErrorBody{Error: e}) // two plain fields
}
