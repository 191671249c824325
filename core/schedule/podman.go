package schedule

import (
	"cmp"
	"strconv"
	"strings"
)

// podman is the word of a machine's record for Podman's version.
const podman = "podman"

// withPodman returns the live machines whose Podman is at least that version, to
// be read only.
func (ms *machines) withPodman(least string) bitset {
	set, known := ms.podmans[least]
	if !known {
		for number := range ms.live.all {
			if ms.ordered[number].hasPodman(least) {
				set.set(number)
			}
		}
		ms.podmans[least] = set
	}
	return set
}

// hasPodman says whether the machine's Podman is at least that version; none is
// asked for by an empty one.
func (m *machine) hasPodman(least string) bool {
	return least == "" || compareVersions(m.record.Versions[podman], least) >= 0
}

// compareVersions compares the major and the minor number, which is where Podman
// brings what is new; no version is the least.
func compareVersions(a, b string) int {
	majorA, minorA := majorMinor(a)
	majorB, minorB := majorMinor(b)
	return cmp.Or(cmp.Compare(majorA, majorB), cmp.Compare(minorA, minorB))
}

func majorMinor(version string) (major, minor int) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	return leadingNumber(first), leadingNumber(rest)
}

// leadingNumber is 0 where there is none.
func leadingNumber(s string) int {
	end := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return 0
	}
	return n
}
