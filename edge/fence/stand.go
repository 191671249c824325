package fence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"argosy/core/cluster"
)

// ErrFallen is that the fence's time is over.
var ErrFallen = errors.New("fleetd has had no word from the cluster for " + cluster.FenceTime.String() + ": units with OnPartition=stop are ended")

// Stand keeps the fence up for as long as the file says, and returns ErrFallen
// when its time is over, or nil when ctx ends. It has systemd's watchdog end
// this process at the same moment, should it be unable to end itself. notify is
// sd_notify(3). Until the file says anything, the fence is not ready.
func (t Term) Stand(ctx context.Context, notify func(state string) error) error {
	news, err := t.watch()
	if err != nil {
		return fmt.Errorf("watch %s: %w", t, err)
	}
	timer, err := newAlarm()
	if err != nil {
		return errors.Join(fmt.Errorf("make a timer: %w", err), news.Close())
	}
	woken, ended := make(chan struct{}, 1), make(chan error, 2)
	var listeners sync.WaitGroup
	listeners.Go(func() { ended <- listen(news, woken) })
	listeners.Go(func() { ended <- listen(timer.File, woken) })
	defer listeners.Wait()
	defer func() { _ = errors.Join(timer.Close(), news.Close()) }() // nothing is lost; it ends the listeners
	w := watchman{term: t, notify: notify, timer: timer}
	for {
		if err := w.look(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-woken:
		}
	}
}

// watchman has systemd's watchdog know what the file says.
type watchman struct {
	term   Term
	notify func(string) error
	timer  alarm
	until  time.Duration // that systemd was told of; 0 before it was
}

// look reads the file and passes on what is new.
func (w *watchman) look() error {
	until, err := w.term.Until()
	if err != nil {
		return err
	}
	until = max(until, w.until)
	over := until <= w.term.Now()
	switch {
	case over && w.until != 0:
		return ErrFallen
	case over || until == w.until:
		return nil // systemd ends a start that takes too long
	}
	state := "WATCHDOG=1\nWATCHDOG_USEC=%d"
	if w.until == 0 {
		state = "READY=1\n" + state
	}
	w.until = until
	if err := w.timer.set(until); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	if err := w.notify(fmt.Sprintf(state, max(1, (until-w.term.Now()).Microseconds()))); err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	return nil
}

// watch tells of files that come under the term's name.
func (t Term) watch() (*os.File, error) {
	folder := filepath.Dir(string(t))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MOVED_TO); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// alarm is a timer of CLOCK_BOOTTIME: after a suspend it rings at once.
type alarm struct{ *os.File }

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	return alarm{os.NewFile(uintptr(fd), "timer")}, err
}

func (a alarm) set(at time.Duration) error {
	connection, err := a.SyscallConn()
	if err != nil {
		return err
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	var set error
	err = connection.Control(func(fd uintptr) { set = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil) })
	return errors.Join(err, set)
}

// listen wakes the watchman for whatever the file has to say, until it is closed.
func listen(file *os.File, woken chan<- struct{}) error {
	words := make([]byte, 4096) // any event of inotify(7) fits
	for {
		if _, err := file.Read(words); err != nil {
			if errors.Is(err, fs.ErrClosed) {
				return nil
			}
			return fmt.Errorf("read from %s: %w", file.Name(), err)
		}
		select {
		case woken <- struct{}{}:
		default: // it is about to look
		}
	}
}
