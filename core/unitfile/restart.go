package unitfile

import (
	"slices"
	"strconv"
)

// Restart is the Restart= of a unit's text, see systemd.service(5): when systemd
// starts it again by itself. Empty or "no" is never.
type Restart string

// results are those of systemd's Results for which each Restart= starts a service
// again, see the table in systemd.service(5); nil stands for all that are bad.
var results = map[Restart][]string{
	"always": nil, "on-failure": nil,
	"on-abnormal": {"signal", "core-dump", "timeout", "watchdog", "oom-kill"},
	"on-abort":    {"signal", "core-dump", "oom-kill"},
	"on-watchdog": {"watchdog"},
}

// Covers says whether a service that failed with this Result was to be started
// again: where it is not, systemd has given up.
func (r Restart) Covers(result string) bool {
	covered, asked := results[r]
	if !asked || result == "success" {
		return false
	}
	return covered == nil || result == "start-limit-hit" || slices.Contains(covered, result)
}

// restartKeys are the options of [Service] that Requirements reads.
var restartKeys = []string{"Restart", "RestartPreventExitStatus"}

func isRestart(o Option) bool { return o.Section == "Service" && slices.Contains(restartKeys, o.Name) }

// restart reads when systemd starts the unit again. A text that names exits after
// which it must not says that some failures are final, and which one it was the
// cluster does not learn: such a unit is taken for one that asks for no restarts.
func (r *requirementsReader) restart() {
	if limitSections[r.unit.Suffix()] != "Service" || r.last("Service", "RestartPreventExitStatus") != "" {
		return
	}
	if asked := Restart(r.last("Service", "Restart")); asked != "no" {
		r.found.Restart = asked
	}
}

// last is what is assigned last to an option, "" for nothing.
func (r *requirementsReader) last(section, name string) string {
	values := r.file.Values(section, name)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1].Value
}

// MaxPriority bounds Priority= on both sides.
const MaxPriority = 1000

// priority takes in how much before others the unit comes; the last one holds.
func (r *requirementsReader) priority(value string, o Option) bool {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < -MaxPriority || n > MaxPriority {
		r.unread(value, o, "a whole number from -1000 to 1000")
		return false
	}
	r.found.Priority = int(n)
	return true
}
