package fleetctl

import (
	"context"
	"fmt"
	"sync"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// again is the time before a journal that broke off is opened once more.
const again = time.Second

// following is one run of logs: a unit, and the machines whose journals of it
// are being read. A machine's journal stays open when the unit leaves: its last
// words may still be on their way, and the unit may come back.
type following struct {
	s       *session
	name    cluster.UnitName
	only    cluster.MachineID // empty: wherever the unit is
	options api.JournalOptions
	out     *interleaved
	fail    context.CancelCauseFunc // ends it all: stdout takes no more

	mu    sync.Mutex
	has   map[cluster.MachineID]bool   // the unit is there now
	open  map[cluster.MachineID]bool   // its journal is being read
	after map[cluster.MachineID]string // the cursor behind what has been printed of it
	told  string                       // why the unit is on no machine, as said last
}

// follow prints what the unit logs until ctx ends, which is no error: that is
// how it is meant to end.
func (s *session) follow(ctx context.Context, name cluster.UnitName, only cluster.MachineID, options api.JournalOptions) error {
	f := &following{
		s: s, name: name, only: only, options: options, out: newInterleaved(s.out, options.Output == "json"),
		has: map[cluster.MachineID]bool{}, open: map[cluster.MachineID]bool{}, after: map[cluster.MachineID]string{},
	}
	err := f.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (f *following) run(ctx context.Context) error {
	ctx, f.fail = context.WithCancelCause(ctx)
	var readers sync.WaitGroup
	err := f.s.Watch(ctx, []cluster.UnitName{f.name}, func(line api.WatchLine) error {
		if line.Unit == nil {
			return nil
		}
		for _, place := range f.learn(*line.Unit) {
			readers.Go(func() { f.read(ctx, place) })
		}
		return nil
	})
	f.fail(err)
	readers.Wait()
	return context.Cause(ctx)
}

// learn takes in where the unit is, and returns the machines whose journals are
// to be opened.
func (f *following) learn(unit api.Unit) []api.Presence {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.has)
	var fresh []api.Presence
	for _, place := range unit.On {
		if f.only != "" && place.Machine != f.only {
			continue
		}
		f.has[place.Machine] = true
		if !f.open[place.Machine] {
			f.open[place.Machine] = true
			fresh = append(fresh, place)
		}
	}
	if len(f.has) > 0 {
		f.told = ""
	} else if why := f.absence(unit); why != f.told && unit.Outcome.Final() {
		f.told = why
		f.say("unit %s %s", f.name, why)
	}
	return fresh
}

func (f *following) absence(unit api.Unit) string {
	switch {
	case len(unit.On) > 0:
		return "is not on that machine; waiting for it"
	case unit.Outcome == api.OutcomeGone:
		return "has been destroyed; waiting whether it is made anew"
	case unit.Reason != "":
		return "is on no machine: " + unit.Reason
	default:
		return fmt.Sprintf("is on no machine: it is %s; waiting for it", unit.Outcome)
	}
}

// read prints one machine's journal of the unit for as long as there is reason
// to. One that breaks off while the unit is there is taken up again behind what
// has been printed: no line is lost, and none comes twice.
func (f *following) read(ctx context.Context, place api.Presence) {
	out := f.out.source(place.Called())
	broken := ""
	for {
		err := f.copy(ctx, place.Machine, out)
		out.end()
		if out.err != nil {
			f.fail(fmt.Errorf("print the journal: %w", out.err))
		}
		if ctx.Err() != nil || f.done(place.Machine) {
			return
		}
		if why := fmt.Sprint(err); err != nil && why != broken {
			f.say("the journal on %s broke off: %s; opening it again", place.Called(), why)
			broken = why
		}
		if out.wrote {
			broken, out.wrote = "", false
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}

// copy prints a machine's journal until it breaks off. Text is printed once the
// cursor behind it is known; without one it would come again.
func (f *following) copy(ctx context.Context, machine cluster.MachineID, out *source) error {
	options := f.options
	f.mu.Lock()
	options.After = f.after[machine]
	f.mu.Unlock()
	var text []byte
	return f.s.FollowJournal(ctx, f.name, machine, options, func(piece api.JournalPiece) error {
		text = append(text, piece.Text...)
		if piece.Cursor == "" {
			return nil
		}
		_, err := out.Write(text)
		text = text[:0]
		f.mu.Lock()
		defer f.mu.Unlock()
		f.after[machine] = piece.Cursor
		return err
	})
}

// done says that a machine no longer has the unit, and if so lets its journal be
// opened anew should the unit come back.
func (f *following) done(machine cluster.MachineID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has[machine] {
		return false
	}
	delete(f.open, machine)
	return true
}

func (f *following) say(format string, args ...any) {
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	fmt.Fprintf(f.s.err, "("+format+")\n", args...)
}
