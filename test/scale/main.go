// Command scale measures what the design promises of a large cluster, against
// real members of the store, each a process with fsync, and prints a row beside
// each budget. Machines and agents are simulated: they are connections to the
// store that do what an agent does there. `make bench` runs it.
//
// It takes the role of a member or of an engine itself, as a process of its own,
// so that killing one is what a loss of power is to a process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
)

// asRole is the variable that makes this program a part of what it measures.
const asRole = "SCALE_ROLE"

// measurements, by the name that -only takes, in the order of the table.
var measurements = []struct {
	name string
	run  func(*lab, context.Context) error
	long bool // takes minutes: only when it is asked for
}{
	{"commit", (*lab).commit, false},
	{"herd", (*lab).herd, false},
	{"idle", (*lab).idle, false},
	{"closed", (*lab).closed, false},
	{"million", (*lab).million, true},
}

// A row is one line of the table.
type row struct{ what, measured, budget string }

// lab is what measurements share.
type lab struct {
	dir             string // for the members' data, on the disk that is measured
	units, machines int    // of the large cluster
	workers         []int  // how many have joined a closed store, row by row
	idlers          int    // machines of the idle cluster
	rows            []row
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run() error {
	if role := os.Getenv(asRole); role != "" {
		return play(role)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	l := &lab{}
	only := flag.String("only", "", "which of the measurements, with commas between: "+strings.Join(names, ", "))
	all := flag.Bool("all", false, "also those that take minutes")
	profile := flag.String("cpuprofile", "", "write a profile of this process here")
	flag.StringVar(&l.dir, "dir", "", "where the members keep their data (default: a new folder for temporary files)")
	flag.IntVar(&l.units, "units", 1_000_000, "of the large cluster")
	flag.IntVar(&l.machines, "machines", 10_000, "of the large cluster")
	flag.IntVar(&l.idlers, "idle", 10_000, "machines of the idle cluster")
	workers := flag.String("workers", "300,1000", "that have joined a closed store, row by row, with commas between")
	flag.Parse()
	for text := range strings.SplitSeq(*workers, ",") {
		count, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-workers: %w", err)
		}
		l.workers = append(l.workers, count)
	}
	if l.dir == "" {
		dir, err := os.MkdirTemp("", "scale-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		l.dir = dir
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(*only, ",") {
		wanted[name] = true
	}
	for _, m := range measurements {
		if *only != "" && !wanted[m.name] || *only == "" && m.long && !*all {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", m.name)
		if err := m.run(l, ctx); err != nil {
			return errors.Join(fmt.Errorf("measure %s: %w", m.name, err), l.print())
		}
	}
	return l.print()
}

func (l *lab) print() error {
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "WHAT\tMEASURED\tBUDGET")
	for _, r := range l.rows {
		fmt.Fprintf(out, "%s\t%s\t%s\n", r.what, r.measured, r.budget)
	}
	return out.Flush()
}

func (l *lab) add(what, budget, format string, values ...any) {
	l.rows = append(l.rows, row{what, fmt.Sprintf(format, values...), budget})
}
