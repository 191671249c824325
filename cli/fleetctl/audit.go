package fleetctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
)

// auditFlags are those of audit.
type auditFlags struct {
	listing
	after int64
	since string
	lines int
	json  bool
}

// mostLines bounds a table, whose columns are as wide as the widest of all.
const mostLines = 10_000

// Audit is the command `argosy audit`.
func Audit() *cobra.Command {
	s := &session{}
	var f auditFlags
	cmd := ofArgosy(s, &cobra.Command{
		Use:   "audit",
		Short: "Tell who did what, from where, and who was refused what",
		Long: `Whatever somebody changes through the API is recorded with the change, in one
transaction: neither is there without the other. So is who was refused, and whose change
lost to another's; of those who are refused again and again a part is counted alone.
Nobody can change the audit or end any of it; the store ends the oldest by itself: it
keeps 100,000 changes of units and labels, 50,000 of people, machines and secrets, 10,000
refusals, and 10,000 of certificates that were refused. Export it to keep more.

--json prints one entry a line, in order and as they come: all that there are unless
--lines says otherwise. The revision of the last line, given to --after, has the next
export go on there. It takes an admin.`,
		Example: "  argosy audit\n  argosy audit --since 2h\n  argosy audit --json >> audit.jsonl\n  argosy audit --json --after 4711 >> audit.jsonl",
		Args:    nothing,
	})
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return s.audit(cmd, f) })
	flags := cmd.Flags()
	flags.Int64Var(&f.after, "after", 0, "only what was done behind this revision of the store")
	flags.StringVar(&f.since, "since", "", "only what was done since, such as 2h, 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.IntVarP(&f.lines, "lines", "n", 50, "how many of the last entries to show; with --json all, where it is not given")
	flags.BoolVar(&f.json, "json", false, "print JSON, one entry a line")
	flags.BoolVar(&f.noLegend, "no-legend", false, "print no header")
	f.fields = "when,by,from,outcome,what"
	return s.closing(cmd)
}

func (s *session) audit(cmd *cobra.Command, f auditFlags) error {
	if f.lines < 1 || f.lines > mostLines {
		return usage(fmt.Errorf("--lines is %d: expected 1 to %d; --json without it prints all", f.lines, mostLines))
	}
	since, err := moment(f.since, time.Now())
	if err != nil {
		return usage(fmt.Errorf("--since is %q: %w", f.since, err))
	}
	query := access.AuditQuery{After: f.after, Since: since, Last: f.lines}
	if f.json {
		if !cmd.Flags().Changed("lines") {
			query.Last = 0
		}
		encoder := json.NewEncoder(s.out)
		encoder.SetEscapeHTML(false)
		return s.Client.Audit(cmd.Context(), query, func(e access.Entry) error { return encoder.Encode(e) })
	}
	last := []access.Entry{}
	if err := s.Client.Audit(cmd.Context(), query, func(e access.Entry) error { last = append(last, e); return nil }); err != nil {
		return err
	}
	return show(s.out, f.listing, auditColumns, last, nil)
}

// moment reads how long ago something was, or when.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("expected how long ago (90m, 2h), a day (2026-01-31) or a moment (2026-01-31T12:00:00Z)")
}

var auditColumns = []column[access.Entry]{
	{"when", func(e access.Entry, _ bool) string { return e.At.Local().Format(time.DateTime) }},
	{"by", func(e access.Entry, _ bool) string { return dash(e.By) }},
	{"from", func(e access.Entry, _ bool) string { return dash(e.From) }},
	{"outcome", func(e access.Entry, _ bool) string { return dash(string(e.Outcome)) }},
	{"what", func(e access.Entry, _ bool) string {
		text := e.Did
		if e.Note != "" {
			text += " (" + e.Note + ")"
		}
		if e.Why != "" {
			text += ": " + e.Why
		}
		if e.Unrecorded > 0 {
			text += fmt.Sprintf("; and %d refusals before that", e.Unrecorded)
		}
		return text
	}},
}
