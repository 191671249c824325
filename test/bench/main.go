// Command bench measures the budgets of the design on a local cluster of three
// machines and prints them as a table, each beside its budget. It needs root;
// `make bench` runs it. Machines that share their processors are noisy: what
// can be is given as a ratio to something measured in the same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"text/tabwriter"

	"argosy/edge/client"
)

// A row is one line of the table.
type row struct{ what, measured, budget string }

// lab is the cluster that is measured.
type lab struct {
	argosy, name string
	api          *client.Client
	rows         []row
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l := &lab{name: "bench"}
	flag.StringVar(&l.argosy, "argosy", "build/argosy", "the binary to measure")
	only := flag.String("only", "submit,closed,burst,idle,failover", "which of the measurements, with commas between")
	flag.Parse()
	if err := l.run(ctx, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (l *lab) run(ctx context.Context, names []string) (err error) {
	measurements := map[string]func(context.Context) error{
		"submit": l.submit, "closed": l.closed, "burst": l.burst, "idle": l.idle, "failover": l.failover,
	}
	for _, name := range names {
		if measurements[name] == nil {
			return fmt.Errorf("there is no measurement %q", name)
		}
	}
	defer func() { err = errors.Join(err, l.command(context.WithoutCancel(ctx), "down")) }()
	if err := l.command(ctx, "up"); err != nil {
		return err
	}
	if l.api, err = l.connect(ctx); err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", name)
		if err := measurements[name](ctx); err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
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

// command is a verb of argosy on the cluster.
func (l *lab) command(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, l.argosy, append(args, "--name", l.name)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("argosy %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// shell runs a line on a machine as core and returns what it printed.
func (l *lab) shell(ctx context.Context, machine, line string) (string, error) {
	cmd := exec.CommandContext(ctx, l.argosy, "ssh", "--name", l.name, machine, "--", line)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s $ %s: %w", machine, line, err)
	}
	return string(out), nil
}

// connect reaches the API through the socket that `argosy env` names.
func (l *lab) connect(ctx context.Context) (*client.Client, error) {
	out, err := exec.CommandContext(ctx, l.argosy, "env", "--name", l.name).Output()
	if err != nil {
		return nil, fmt.Errorf("argosy env: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if _, endpoint, ok := strings.Cut(line, "FLEETCTL_ENDPOINT="); ok {
			return client.New(client.Config{Endpoints: []string{strings.Trim(strings.TrimSpace(endpoint), `'";`)}})
		}
	}
	return nil, fmt.Errorf("argosy env names no FLEETCTL_ENDPOINT:\n%s", out)
}
