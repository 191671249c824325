// Package fence is what stops a machine's units with OnPartition=stop when the
// machine has no word from the cluster: fleet-fence.service, to which systemd
// binds them. fleetd writes until when the fence may stand; the fence's process
// passes that on to systemd's watchdog and does nothing else. It takes no
// decision: see docs/internals/fence.md for why the times are what they are.
package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"argosy/core/cluster"
)

// DefaultTerm is the file by which fleetd and the fence's process speak. It lies
// in /run: a reboot forgets it.
const DefaultTerm = "/run/fleet/fence/until"

// Term is the file that says until when the fence may stand. A file, and not a
// connection: whichever of the two restarts finds what was said last, and none
// waits for the other.
type Term string

// Now is the time by CLOCK_BOOTTIME: it is set by nobody, and it goes on while
// the machine is suspended, unlike systemd's own CLOCK_MONOTONIC. See
// clock_gettime(2).
func (Term) Now() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 1<<63 - 1 // a kernel before 2.6.39: no fence stands there
	}
	return time.Duration(now.Nano())
}

// Extend has the fence stand until a moment, by Now's clock.
func (t Term) Extend(until time.Duration) error {
	if err := t.write(strconv.FormatInt(int64(until), 10)); err != nil {
		return fmt.Errorf("keep the fence up: %w", err)
	}
	return nil
}

// write puts a text there whole: a reader sees the old one or the new one, also
// where several write at a time.
func (t Term) write(text string) error {
	if err := os.MkdirAll(filepath.Dir(string(t)), 0o755); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(string(t)), ".new-*")
	if err != nil {
		return err
	}
	_, err = next.WriteString(text + "\n")
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), string(t))
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// Until reads the moment, 0 where nothing was said yet. One that is further away
// than fleetd ever says is none.
func (t Term) Until() (time.Duration, error) {
	text, err := os.ReadFile(string(t))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	until, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || until < 0 || time.Duration(until) > t.Now()+cluster.FenceTime {
		return 0, fmt.Errorf("%s: %q; expected nanoseconds of CLOCK_BOOTTIME, at most %s from now", t, text, cluster.FenceTime)
	}
	return time.Duration(until), nil
}
