package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks is what the kernel counts processor time in for other processes.
const ticks = time.Second / 100

// spent is the processor time that a process has used.
func (p *process) spent() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the command in brackets, and may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var sum time.Duration
	for _, field := range fields[11:13] { // utime, stime: proc_pid_stat(5)
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("processor time of %d: %w", p.Process.Pid, err)
		}
		sum += time.Duration(n) * ticks
	}
	return sum, nil
}

// spent is the processor time that all members have used.
func (ms members) spent() (sum time.Duration, err error) {
	for _, m := range ms {
		if m.process == nil {
			continue
		}
		one, err := m.process.spent()
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// spentHere is the processor time that this process has used.
func spentHere() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot go wrong
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
