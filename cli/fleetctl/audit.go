package fleetctl

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
)

// auditFlags are those of audit.
type auditFlags struct {
	listing
	after, lines int64
	json         bool
}

// Audit is the command `argosy audit`.
func Audit() *cobra.Command {
	s := &session{}
	var f auditFlags
	cmd := ofArgosy(s, &cobra.Command{
		Use:   "audit",
		Short: "Tell who did what, from where, and who was refused what",
		Long: `Whatever somebody changes through the API is recorded with the change, in one
transaction: neither is there without the other. So is who was refused; of those who are
refused again and again a part is counted alone. Nobody can change the audit or end any
of it; the store ends the oldest by itself: it keeps 100,000 changes of units and labels,
50,000 of people, machines and secrets, and 10,000 refusals. Export it to keep more.

--json prints one entry a line, all that there are, in order. The revision of the last
line, given to --after, has the next export go on there. It takes an admin.`,
		Example: "  argosy audit\n  argosy audit --json >> audit.jsonl\n  argosy audit --json --after 4711 >> audit.jsonl",
		Args:    nothing,
	})
	cmd.RunE = run(func(cmd *cobra.Command, _ []string) error { return s.audit(cmd, f) })
	flags := cmd.Flags()
	flags.Int64Var(&f.after, "after", 0, "only what was done behind this revision of the store")
	flags.Int64VarP(&f.lines, "lines", "n", 50, "how many of the last entries to show; 0 for all")
	flags.BoolVar(&f.json, "json", false, "print all as JSON, one entry a line")
	flags.BoolVar(&f.noLegend, "no-legend", false, "print no header")
	f.fields = "when,by,from,outcome,what"
	return s.closing(cmd)
}

func (s *session) audit(cmd *cobra.Command, f auditFlags) error {
	if f.json {
		encoder := json.NewEncoder(s.out)
		encoder.SetEscapeHTML(false)
		_, err := s.Client.Audit(cmd.Context(), f.after, func(e access.Entry) error { return encoder.Encode(e) })
		return err
	}
	if f.lines < 0 {
		return usage(fmt.Errorf("--lines is %d: expected 0 or more", f.lines))
	}
	last := []access.Entry{}
	if _, err := s.Client.Audit(cmd.Context(), f.after, func(e access.Entry) error {
		if last = append(last, e); f.lines > 0 && int64(len(last)) > f.lines {
			last = last[1:]
		}
		return nil
	}); err != nil {
		return err
	}
	return show(s.out, f.listing, auditColumns, last, nil)
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
