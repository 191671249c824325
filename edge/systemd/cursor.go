package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"argosy/core/cluster"
)

// pace is the least time between two looks into a journal that is followed with
// cursors. A look costs some 15 ms.
const pace = 250 * time.Millisecond

// FollowJournal hands over what a unit has logged and goes on to log, piece by
// piece. Behind a piece with a cursor the journal can be taken up again with
// Options.After: no entry is lost and none comes twice. A piece without one is
// the beginning of the next. It returns when ctx ends or send returns an error.
//
// journalctl tells a cursor only when it ends, so each piece is a run of its own.
// One more run, which follows, tells that there is something new; its text is
// dropped, since the formats that people read have no cursors in them.
func (m *Manager) FollowJournal(ctx context.Context, unit cluster.UnitName, options Options, send func(text []byte, cursor string) error) error {
	_, err := cluster.ParseUnitName(string(unit))
	options.Follow = false
	if err := errors.Join(err, options.Valid()); err != nil {
		return err
	}
	if options.After, err = look(ctx, unit, options, send); err != nil {
		return err
	}
	options.Lines = MostLines // where there is no cursor yet, whatever comes is new
	ctx, cancel := context.WithCancel(ctx)
	news, ended := make(ringer, 1), make(chan error, 1)
	var bell sync.WaitGroup
	bell.Go(func() { ended <- news.ring(ctx, unit, options.After) })
	defer bell.Wait()
	defer cancel()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("journalctl of %s: it follows no more: %w", unit, err)
		case <-news:
		}
		if options.After, err = look(ctx, unit, options, send); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
	}
}

// ringer rings once for however much is written before someone listens.
type ringer chan struct{}

// ring does so when a unit has logged something behind a cursor, until ctx ends.
func (r ringer) ring(ctx context.Context, unit cluster.UnitName, after string) error {
	journal := command(ctx, "journalctl", append(Options{After: after, Follow: true, Output: "cat"}.arguments(unit), "--no-tail", "--quiet")...)
	journal.Stdout = r
	if err := journal.Run(); err != nil {
		return err
	}
	return errors.New("it has ended")
}

func (r ringer) Write(p []byte) (int, error) {
	select {
	case r <- struct{}{}:
	default:
	}
	return len(p), nil
}

// look hands over what there is in a journal now, and returns the cursor behind it.
func look(ctx context.Context, unit cluster.UnitName, options Options, send func([]byte, string) error) (cursor string, err error) {
	var complaint strings.Builder
	out := &pieces{send: send}
	journal := command(ctx, "journalctl", append(options.arguments(unit), "--quiet", "--show-cursor")...)
	journal.Stdout, journal.Stderr = out, &complaint
	err = journal.Run()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case out.err != nil:
		return "", out.err
	case err != nil:
		return "", fmt.Errorf("journalctl of %s: %w: %s", unit, err, strings.TrimSpace(complaint.String()))
	}
	return out.end(options.After)
}

// pieces sends text on in pieces, and holds back the end, where the cursor is.
type pieces struct {
	send func(text []byte, cursor string) error
	held []byte
	err  error
}

const (
	pieceBytes = 256 << 10
	endBytes   = 4 << 10 // holds a line with a cursor
	cursorMark = "-- cursor: "
)

func (p *pieces) Write(text []byte) (int, error) {
	p.held = append(p.held, text...)
	if len(p.held) > pieceBytes && p.err == nil {
		cut := len(p.held) - endBytes
		p.err = p.send(p.held[:cut], "")
		p.held = append(p.held[:0], p.held[cut:]...)
	}
	return len(text), p.err
}

// end sends what is left. journalctl prints no cursor where it printed nothing
// else, so that the one before still holds.
func (p *pieces) end(before string) (cursor string, err error) {
	if len(p.held) == 0 {
		return before, nil
	}
	line := bytes.TrimSuffix(p.held, []byte("\n"))
	start := bytes.LastIndexByte(line, '\n') + 1
	cursor, told := strings.CutPrefix(string(line[start:]), cursorMark)
	switch {
	case !told:
		return "", errors.New("journalctl told no cursor")
	case start == 0 && cursor == before:
		return cursor, nil
	}
	return cursor, p.send(p.held[:start], cursor)
}
