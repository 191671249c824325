package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

// maxBodyBytes lets a text of the largest size through when each of its bytes
// is a line end or a quote, which JSON writes as two, with its signatures.
const maxBodyBytes = 2*unitfile.MaxTextBytes + 2*signing.MaxBytes + 64<<10

// maxNames bounds the units that one request may name.
const maxNames = 5000

// query is the parameters of a request, each of a name that is known.
type query struct{ values url.Values }

func parseQuery(raw string, known ...string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, api.Invalid("the query does not parse: "+err.Error(), "encode it as in a URL: %25 for %")
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return query{}, api.Invalid(fmt.Sprintf("parameter %q is not known here", name), expected(known))
		}
		if len(given) > 1 && name != "unit" {
			return query{}, api.Invalid(fmt.Sprintf("parameter %q is given %d times", name, len(given)), "give it once")
		}
	}
	return query{values}, nil
}

func expected(words []string) string {
	if len(words) == 0 {
		return "there are no parameters here"
	}
	return "expected " + strings.Join(words, ", ")
}

// number is the parameter as a number from least to most; instead where it is absent.
func (q query) number(name string, instead, least, most int64) (int64, error) {
	text := q.values.Get(name)
	if text == "" {
		return instead, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, api.Invalid(fmt.Sprintf("%s=%q", name, text), fmt.Sprintf("expected a number from %d to %d", least, most))
	}
	return n, nil
}

// least is the revision that an answer must hold.
func (q query) least() (int64, error) {
	return q.number("minRevision", 0, 0, 1<<62)
}

// beginning is the part of a list that prefix= asks for. It is not for pages, nor
// for what else a list may be asked for.
func (q query) beginning(other string) (b api.Beginning, err error) {
	for _, name := range []string{"continue", other} {
		if q.values.Has(name) {
			return b, api.Invalid(name+" with prefix", "leave one of them out")
		}
	}
	b.Prefix = q.values.Get("prefix")
	most, err := q.number("limit", 0, 1, api.MostRows)
	b.Most = int(most)
	return b, err
}

func (q query) truth(name string) (bool, error) {
	text := q.values.Get(name)
	if text == "" {
		return false, nil
	}
	truth, err := strconv.ParseBool(text)
	if err != nil {
		return false, api.Invalid(fmt.Sprintf("%s=%q", name, text), "expected true or false")
	}
	return truth, nil
}

// machine is the machine asked about; empty where none is named.
func (q query) machine() (cluster.MachineID, error) {
	text := q.values.Get("machine")
	if text == "" {
		return "", nil
	}
	id, err := cluster.ParseMachineID(text)
	if err != nil {
		return "", api.Invalid(err.Error(), "")
	}
	return id, nil
}

// units are the units named; nil where none is.
func (q query) units() ([]cluster.UnitName, error) {
	texts := q.values["unit"]
	if len(texts) > maxNames {
		return nil, api.Invalid(fmt.Sprintf("%d units in one request", len(texts)), fmt.Sprintf("name at most %d", maxNames))
	}
	var names []cluster.UnitName
	seen := map[cluster.UnitName]bool{}
	for _, text := range texts {
		name, err := cluster.ParseUnitName(text)
		if err != nil {
			return nil, api.Invalid(err.Error(), "")
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, nil
}

func (q query) journal() (options api.JournalOptions, err error) {
	lines, err := q.number("lines", api.DefaultLines, 0, api.MostLines)
	if err != nil {
		return options, err
	}
	follow, err := q.truth("follow")
	if err != nil {
		return options, err
	}
	options = api.JournalOptions{Lines: int(lines), Follow: follow, Output: q.values.Get("output"), After: q.values.Get("after")}
	return options, options.Valid()
}

// unitName is the unit in a request's path.
func unitName(r *http.Request) (cluster.UnitName, error) {
	name, err := cluster.ParseUnitName(r.PathValue("name"))
	if err != nil {
		return "", api.Invalid(err.Error(), "")
	}
	return name, nil
}

// readBody takes the whole body in, within its size and, see withPatience, time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &api.Error{
			Code: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", maxBodyBytes),
			Hint: fmt.Sprintf("a unit file may have %d bytes", unitfile.MaxTextBytes),
		}
	case err != nil:
		return nil, api.Invalid("reading the body: "+err.Error(), "send it whole, within 30 seconds")
	}
	return body, nil
}

// checkType refuses a body that does not call itself JSON.
func checkType(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &api.Error{
			Code: http.StatusUnsupportedMediaType, Message: fmt.Sprintf("Content-Type is %q", r.Header.Get("Content-Type")),
			Hint: "send application/json",
		}
	}
	return nil
}

// parseBody reads one JSON object and no more into value.
func parseBody(body []byte, value any, expected string) error {
	if !utf8.Valid(body) {
		return api.Invalid("the body is not UTF-8", "send JSON in UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return api.Invalid("the body is not as expected: "+err.Error(), expected)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return api.Invalid("the body goes on behind its end", "send one JSON object")
	}
	return nil
}

// parseChange reads the body of PUT units/NAME.
func parseChange(body []byte) (change api.UnitChange, err error) {
	if err := parseBody(body, &change, `expected {"text": "...", "desired": "launched"}`); err != nil {
		return change, err
	}
	if !printable(change.By, maxByBytes/2) {
		return change, api.Invalid("by is not a line of at most 128 printable bytes", "shorten it, or leave it out")
	}
	return change, nil
}

// parseIdentity reads the body of POST claims.
func parseIdentity(body []byte) (by api.Identity, err error) {
	if err := parseBody(body, &by, `expected {"machine": "...", "bootID": "...", "name": "...", "address": "..."}`); err != nil {
		return by, err
	}
	if _, err := cluster.ParseMachineID(string(by.Machine)); err != nil {
		return by, api.Invalid(err.Error(), "")
	}
	for _, field := range []struct{ name, value string }{{"bootID", by.BootID}, {"name", by.Name}, {"address", by.Address}} {
		if field.value == "" || !printable(field.value, maxByBytes) {
			return by, api.Invalid(field.name+" is not a line of 1 to 256 printable bytes", "send what the machine says of itself")
		}
	}
	return by, nil
}
