package fleetctl

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// atOnce is how many requests are under way at a time.
const atOnce = 16

// change is one unit on its way from what was asked to its outcome.
type change struct {
	name    cluster.UnitName
	desired cluster.Desired // how far the unit is to come
	written api.Written
	err     error // of the request
	code    int   // exit code, once it is over
}

// each does ask for every change, some at a time, and tells the errors. A unit
// fails alone.
func (s *session) each(changes []*change, ask func(*change) (api.Written, error)) {
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, c := range changes {
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer all.Done()
			c.written, c.err = ask(c)
			<-places
		}()
	}
	all.Wait()
	for _, c := range changes {
		if c.err != nil {
			c.code = s.tell(c.err)
		}
	}
}

// result is the exit code of all changes: that of the first that did not go well.
func result(changes []*change) error {
	for _, c := range changes {
		if c.code != cli.ExitOK {
			return ending(c.code)
		}
	}
	return nil
}

// accepted are the changes whose request went well.
func accepted(changes []*change) []*change {
	var well []*change
	for _, c := range changes {
		if c.err == nil {
			well = append(well, c)
		}
	}
	return well
}

// desire asks for what is desired of units that exist.
func (s *session) desire(ctx context.Context, changes []*change) {
	s.each(changes, func(c *change) (api.Written, error) {
		return s.SetUnit(ctx, c.name, api.UnitChange{Desired: c.desired})
	})
}

// waiting holds the flags of verbs that wait.
type waiting struct {
	wait     bool
	noBlock  bool // fleet's word for not to wait
	attempts int
	timeout  time.Duration
}

// attempt is what fleet's --block-attempts counts in.
const attempt = 2 * time.Second

func (w *waiting) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&w.wait, "wait", true, "wait for the outcome")
	flags.BoolVar(&w.noBlock, "no-block", false, "do not wait for the outcome: the same as --wait=false")
	flags.DurationVar(&w.timeout, "timeout", 5*time.Minute, "how long to wait for the outcome; 0 for ever")
	flags.IntVar(&w.attempts, "block-attempts", 0, "wait for this many times 2 s; 0 to go by --timeout")
}

// blocks says that the outcome is waited for.
func (w waiting) blocks() bool { return w.wait && !w.noBlock }

// within bounds ctx by the flags.
func (w waiting) within(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := w.timeout
	if w.attempts > 0 {
		limit = time.Duration(w.attempts) * attempt
	}
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

func (w waiting) check() error {
	if w.attempts < 0 || w.timeout < 0 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("--block-attempts and --timeout may not be below 0"))
	}
	return nil
}
