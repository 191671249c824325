package fleetctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"argosy/cli"
)

// column is one field of a listing. Its header is its name in upper case.
type column[T any] struct {
	name  string
	value func(row T, full bool) string
}

// listing holds the flags of a list command.
type listing struct {
	fields   string
	full     bool
	noLegend bool
	output   string
	wide     string // the fields of -o wide
}

func (l *listing) flags(cmd *cobra.Command, fields, wide string, all []string) {
	l.wide = wide
	flags := cmd.Flags()
	flags.StringVar(&l.fields, "fields", fields, "columns to print, with commas")
	flags.BoolVar(&l.full, "full", false, "do not shorten ids and hashes")
	flags.BoolVar(&l.noLegend, "no-legend", false, "print no header")
	flags.StringVarP(&l.output, "output", "o", "table", "table, wide, json or yaml")
	offer(cmd, "output", words("table", "wide", "json", "yaml"))
	offer(cmd, "fields", list(all))
}

// short adds fleet's second name of --full.
func (l *listing) short(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.full, "l", false, "the same as --full")
	_ = cmd.Flags().MarkHidden("l")
}

// named are the names of all columns.
func named[T any](all []column[T]) (names []string) {
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

// columns are those asked for, out of all there are.
func columns[T any](l listing, all []column[T]) ([]column[T], error) {
	fields := l.fields
	if l.output == "wide" {
		fields = l.wide
	}
	if fields == "" {
		return nil, fleets("Must define output format")
	}
	var chosen []column[T]
next:
	for _, name := range strings.Split(fields, ",") {
		for _, c := range all {
			if c.name == name {
				chosen = append(chosen, c)
				continue next
			}
		}
		return nil, fleets("Invalid key in output format: %q", name)
	}
	return chosen, nil
}

// check refuses an output that is not known, before anything is asked.
func (l listing) check() error {
	switch l.output {
	case "table", "wide", "json", "yaml":
		return nil
	}
	return cli.Coded(cli.ExitUsage, fmt.Errorf("--output is %q: expected table, wide, json or yaml", l.output))
}

// show prints rows in fleet's table, or answer as JSON or YAML.
func show[T any](w io.Writer, l listing, all []column[T], rows []T, answer any) error {
	switch l.output {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	case "yaml":
		text, err := yaml.Marshal(answer)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	chosen, err := columns(l, all)
	if err != nil {
		return err
	}
	return table(w, l, chosen, rows)
}

// table aligns columns as fleet does: tabs, to multiples of eight.
func table[T any](w io.Writer, l listing, chosen []column[T], rows []T) error {
	out := tabwriter.NewWriter(w, 0, 8, 1, '\t', 0)
	cells := make([]string, len(chosen))
	if !l.noLegend {
		for i, c := range chosen {
			cells[i] = strings.ToUpper(c.name)
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	for _, row := range rows {
		for i, c := range chosen {
			cells[i] = c.value(row, l.full)
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	return out.Flush()
}
