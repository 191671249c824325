package chaos

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Witness is the program that units run. It says in its journal when it starts
// and when it is told to stop, by the host's clock, as its last act: whoever
// reads the journal reads what ran, whatever fleet and systemd believe.
//
//	witness UNIT VERSION [SECONDS]
const Witness = `#!/bin/sh
say() { read -r up idle </proc/uptime; echo "$1 $unit $version ${FLEET_FENCING_TOKEN:-0} $up"; }
unit=$1 version=$2
trap 'say stop; exit 0' TERM
say start
if [ "$3" ]; then sleep "$3" & wait $!; say stop; exit 0; fi
while :; do sleep infinity & wait $!; done
`

// entry is what a line of journalctl -o json holds for us. A message that is no
// text comes as numbers. A process is known by its number: systemd's invocation id
// is that of the unit when journald reads the line, which may be the next one's.
type entry struct {
	Message any    `json:"MESSAGE"`
	Boot    string `json:"_BOOT_ID"`
	PID     string `json:"_PID"`
}

// ReadJournal makes runs of what the witnesses said on one machine: the output
// of journalctl -o json, and when each of its boots but the running one ended.
func ReadJournal(machine string, output []byte, ended map[string]Span, faults []Fault) ([]Run, error) {
	var runs []Run
	open := map[string]int{} // by boot and process
	boots := map[int]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read the journal of %s: %w: %s", machine, err, lines.Text())
		}
		said, text := e.Message.(string)
		if !text {
			return nil, fmt.Errorf("read the journal of %s: a message that is no text: %s", machine, lines.Text())
		}
		word, r, err := parseWords(said)
		if err != nil {
			return nil, fmt.Errorf("read the journal of %s: %w", machine, err)
		}
		key := e.Boot + "/" + e.PID
		at, begun := open[key]
		switch {
		case word == "start":
			r.Machine = machine
			open[key], boots[len(runs)] = len(runs), e.Boot
			runs = append(runs, r)
		case begun:
			runs[at].To = r.From
		}
	}
	for i := range runs {
		// Without a last word the process went with its machine.
		if end, over := ended[boots[i]]; over && runs[i].Open() {
			runs[i].To = max(powerCut(machine, end, faults), runs[i].From)
		}
	}
	slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(a.From, b.From) })
	return runs, lines.Err()
}

// powerCut is when a machine was killed in a length of time, or its beginning.
func powerCut(machine string, between Span, faults []Fault) Time {
	for _, f := range faults {
		if f.Machine == machine && (f.Kind == Kill || f.Kind == Reboot) && between.From <= f.From && f.From <= between.To {
			return f.From
		}
	}
	return between.From
}

// parseWords reads a line of the witness.
func parseWords(said string) (word string, r Run, err error) {
	words := strings.Fields(said)
	if len(words) != 5 || words[0] != "start" && words[0] != "stop" {
		return "", Run{}, fmt.Errorf("%q is nothing that a witness says", said)
	}
	version, err := strconv.Atoi(words[2])
	if err != nil {
		return "", Run{}, fmt.Errorf("%q: the version is no number", said)
	}
	token, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return "", Run{}, fmt.Errorf("%q: the token is no number", said)
	}
	up, err := strconv.ParseFloat(words[4], 64)
	if err != nil || !(up >= 0 && up <= math.MaxInt32) {
		return "", Run{}, fmt.Errorf("%q: the time is no number of seconds", said)
	}
	return words[0], Run{Unit: words[1], Version: version, Token: token, Span: Span{From: Time(up * float64(time.Second)).Round(10 * time.Millisecond)}}, nil
}

// ReadBoots reads journalctl --list-boots -o json: when each boot but the last
// one ended, between the last word in its journal and the first in the next one's.
// booted is what the host's wall clock showed when it booted.
func ReadBoots(output []byte, booted time.Time) (map[string]Span, error) {
	var boots []struct {
		Boot  string `json:"boot_id"`
		First int64  `json:"first_entry"` // microseconds since 1970
		Last  int64  `json:"last_entry"`
	}
	if err := json.Unmarshal(output, &boots); err != nil {
		return nil, fmt.Errorf("read the list of boots: %w: %s", err, output)
	}
	ended := map[string]Span{}
	for i := range len(boots) - 1 {
		ended[boots[i].Boot] = Span{time.UnixMicro(boots[i].Last).Sub(booted), time.UnixMicro(boots[i+1].First).Sub(booted)}
	}
	return ended, nil
}
