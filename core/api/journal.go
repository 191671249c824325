package api

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultLines is how many of a journal's last lines are shown unless told;
// MostLines is the most that may be asked for.
const (
	DefaultLines = 10
	MostLines    = 1_000_000
)

// outputs are the journal's formats that may be asked for, see journalctl(1).
var outputs = []string{
	"short", "short-full", "short-iso", "short-iso-precise", "short-precise", "short-monotonic", "short-unix",
	"verbose", "export", "json", "json-pretty", "json-sse", "json-seq", "cat", "with-unit",
}

// JournalOutputs lists the journal's formats that may be asked for.
func JournalOutputs() []string { return slices.Clone(outputs) }

// JournalOptions says what of a unit's journal is wanted.
type JournalOptions struct {
	Lines  int    // the last ones; 0 for none, then only what follows
	Follow bool   // go on for ever
	Output string // a format of journalctl(1); empty for "short"
	// After is a cursor of the journal: only what was logged behind it is wanted,
	// however many lines. Empty for none.
	After string
}

// JournalPiece is one line of a journal that is followed with cursors: text, and
// where the journal goes on behind it. A piece without a cursor is the beginning
// of one that has it, and one without anything is a sign that the stream is alive.
type JournalPiece struct {
	Text   []byte `json:"text,omitempty"` // in base64: units may log any bytes
	Cursor string `json:"cursor,omitempty"`
}

// mostCursorBytes is well above what journald makes, see sd_journal_get_cursor(3).
const mostCursorBytes = 512

// Valid says what is wrong with the options.
func (o JournalOptions) Valid() error {
	switch {
	case o.Lines < 0 || o.Lines > MostLines:
		return Invalid(fmt.Sprintf("lines is %d", o.Lines), fmt.Sprintf("expected 0 to %d", MostLines))
	case o.Output != "" && !slices.Contains(outputs, o.Output):
		return Invalid(fmt.Sprintf("output is %q", o.Output), "expected one of "+strings.Join(outputs, ", "))
	case len(o.After) > mostCursorBytes || strings.IndexFunc(o.After, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0:
		return Invalid("after is no cursor of a journal", fmt.Sprintf("expected at most %d printable letters without spaces", mostCursorBytes))
	}
	return nil
}
