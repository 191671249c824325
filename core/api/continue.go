package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"argosy/core/cluster"
)

// MostRows is how many rows a page may have.
const MostRows = 10_000

// From says where a page of a list begins, and how long it may be.
type From struct {
	Revision int64    // of the first page; 0 asks for a first page
	After    StateKey // the last row given: a state, a unit, or a machine
	Most     int
}

// Continue is what a page's token holds: the list that it is of, and where the
// next page begins. The list is kept by one machine, which alone can go on with it.
type Continue struct {
	List   string // the path of the list
	Filter string // its other parameters
	Holder cluster.MachineID
	From   From // without Most
}

// maxTokenBytes is above the longest token there is.
const maxTokenBytes = 1024

// Token is what clients see. It is no secret and opens nothing that the client may
// not see: its check finds what was cut off, altered, or made by other software.
func (c Continue) Token() string {
	text := strings.Join([]string{
		c.List, filterMark(c.Filter), string(c.Holder), strconv.FormatInt(c.From.Revision, 10),
		string(c.From.After.Unit), string(c.From.After.Machine),
	}, "/")
	return base64.RawURLEncoding.EncodeToString([]byte(text + "/" + mark(text)))
}

// mark is a short check of a text.
func mark(text string) string {
	sum := sha256.Sum256([]byte("continue/" + text))
	return hex.EncodeToString(sum[:8])
}

func filterMark(filter string) string { return mark("filter/" + filter) }

// ParseContinue reads the token of a list with these other parameters.
func ParseContinue(token, list, filter string) (Continue, error) {
	bad := func(what, hint string) (Continue, error) { return Continue{}, Invalid("continue "+what, hint) }
	if len(token) > maxTokenBytes || strings.ContainsAny(token, "\r\n") { // the decoder skips line breaks
		return bad("is no token of a page", "give back what the page before says")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	parts := strings.Split(string(raw), "/")
	if err != nil || len(parts) != 7 || parts[6] != mark(strings.Join(parts[:6], "/")) {
		return bad("is no token of a page", "give back what the page before says")
	}
	if parts[0] != list {
		return bad(fmt.Sprintf("is of the list of %s", parts[0]), "ask there")
	}
	if parts[1] != filterMark(filter) {
		return bad("is of a list with other parameters", "give the same parameters as for the first page")
	}
	revision, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || revision <= 0 {
		return bad("is no token of a page", "give back what the page before says")
	}
	return Continue{
		List: list, Filter: filter, Holder: cluster.MachineID(parts[2]),
		From: From{Revision: revision, After: StateKey{cluster.UnitName(parts[4]), cluster.MachineID(parts[5])}},
	}, nil
}

// gone is the HTTP status of what was there and is there no more.
const gone = 410

// Expired says that the list which a page is asked of is no longer kept.
func Expired() *Error {
	return &Error{
		Code: gone, Message: "the list that this page is of is no longer kept",
		Hint: "begin again without continue; a list is kept for some minutes after its last page, unless the cluster changes too much",
	}
}
