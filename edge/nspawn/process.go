package nspawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is a process that cannot be mistaken for a later one with its number:
// when it started is part of its name.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start_ticks"` // since the host booted (proc(5), field 22)
}

// errGone is a process that has ended.
var errGone = errors.New("the process has ended")

// processOf names the process that has the number pid now.
func processOf(pid int) (Process, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Process{}, errGone
	}
	state, start, err := parseStat(string(text))
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == "Z" || state == "X" {
		return Process{}, errGone
	}
	return Process{PID: pid, Start: start}, nil
}

// parseStat reads state and start time. The second field is the program's name
// in brackets, which may itself hold blanks and brackets: what counts comes
// after the last one.
func parseStat(text string) (state string, start uint64, err error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return "", 0, fmt.Errorf("stat has no program name: %q", text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 {
		return "", 0, fmt.Errorf("stat has too few fields: %q", text)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0], start, err
}

// Alive says whether the process still runs.
func (p Process) Alive() bool {
	now, err := processOf(p.PID)
	return p.PID > 0 && err == nil && now == p
}

// kill sends SIGKILL, through a descriptor so that it cannot hit another.
func (p Process) kill() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}
	defer func() { _ = unix.Close(fd) }()
	if !p.Alive() {
		return nil
	}
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// leader finds the machine's own PID 1 among the children of its systemd-nspawn:
// the one that is 1 in a namespace one deeper.
func (p Process) leader() (Process, error) {
	outer, err := numbers(p.PID)
	if err != nil {
		return Process{}, errGone
	}
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	if err != nil {
		return Process{}, errGone
	}
	for _, word := range strings.Fields(string(list)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			continue
		}
		inner, err := numbers(pid)
		if err == nil && len(inner) == len(outer)+1 && inner[len(inner)-1] == "1" {
			return processOf(pid)
		}
	}
	return Process{}, errors.New("its systemd has not started yet")
}

// numbers are a process's numbers in its namespaces, the outermost first.
func numbers(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if list, found := strings.CutPrefix(line, "NSpid:"); found {
			return strings.Fields(list), nil
		}
	}
	return nil, fmt.Errorf("process %d: no NSpid: the kernel has no process namespaces", pid)
}
