package fleetv1

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Kind is the list that a page is of.
type Kind byte

// The lists that come in pages.
const (
	Machines Kind = 'm'
	Units    Kind = 'u'
	States   Kind = 's'
)

// Token says where the next page of a list begins. fleet's was an offset, and a
// list that changed between two pages lost rows or gave them twice. This one is
// the last row given: what is there all the time is given exactly once.
type Token struct {
	Kind     Kind
	Revision int64             // the store's, that the first page was of; later pages are no older
	Unit     cluster.UnitName  // the last row's; empty for Machines
	Machine  cluster.MachineID // the last row's; empty for Units
}

// maxTokenBytes is above the longest token there is.
const maxTokenBytes = 1024

// String is the token as clients see it: URL-safe base64 as fleet's, of bytes
// that are none of their business.
func (t Token) String() string {
	raw := binary.LittleEndian.AppendUint64([]byte{byte(t.Kind)}, uint64(t.Revision))
	raw = append(raw, string(t.Unit)+"/"+string(t.Machine)...)
	return base64.URLEncoding.EncodeToString(raw)
}

// ParseToken reads a token of a list of that kind.
func ParseToken(text string, kind Kind) (Token, error) {
	bad := func() (Token, error) {
		return Token{}, api.Invalid("invalid value of nextPageToken query parameter",
			"expected the nextPageToken of the page before, of the same list")
	}
	if len(text) > maxTokenBytes || strings.ContainsAny(text, "\r\n") {
		return bad() // the decoder skips line breaks
	}
	raw, err := base64.URLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 9 || Kind(raw[0]) != kind {
		return bad()
	}
	revision := binary.LittleEndian.Uint64(raw[1:9])
	unit, machine, found := strings.Cut(string(raw[9:]), "/")
	if revision > math.MaxInt64 || !found {
		return bad()
	}
	if _, err := cluster.ParseUnitName(unit); (err != nil) != (kind == Machines && unit == "") {
		return bad()
	}
	// A machine's id is what the machine says it is; here it is only compared.
	if kind == Units != (machine == "") {
		return bad()
	}
	return Token{kind, int64(revision), cluster.UnitName(unit), cluster.MachineID(machine)}, nil
}
