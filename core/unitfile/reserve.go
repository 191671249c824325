package unitfile

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"argosy/core/cluster"
)

// Reserve is what a unit takes of the machine that it is placed on. Zero takes
// nothing, and asks nothing of a machine.
type Reserve struct {
	MemoryBytes int64
	CPUMilli    int64 // thousandths of a core
	// Other counts whole things by kind, such as {"gpu": 1}; nil where there is none.
	Other map[string]int64
}

// The most that one unit may reserve: more than any machine has, and so little
// that what 100,000 units reserve can be added up.
const (
	maxMemoryBytes = 64 << 40
	maxCPUMilli    = 1_000_000_000
	maxOther       = 1 << 40
)

const (
	expectedMemory = "bytes, also with K, M, G or T behind (of 1024 each), at most 64T, such as memory=512M"
	expectedCPU    = "cores, with at most three digits after the point, such as cpu=2 or cpu=0.5"
	expectedOther  = "memory=512M, cpu=0.5 or a whole count of another kind, such as gpu=1"
)

// reserve takes in one KIND=AMOUNT. The last of a kind holds; 0 reserves nothing,
// whatever the unit's limits say.
func (r *requirementsReader) reserve(value string, o Option) bool {
	kind, amount, _ := strings.Cut(value, "=")
	expected := expectedOther
	n, ok := int64(0), false
	switch {
	case kind == "memory":
		n, ok = parseBytes(amount)
		ok, expected = ok && n <= maxMemoryBytes, expectedMemory
	case kind == "cpu":
		n, ok = parseMilli(amount)
		ok, expected = ok && n <= maxCPUMilli, expectedCPU
	case isKind(kind):
		n, ok = parseMilli(amount)
		ok, n = ok && n%1000 == 0 && n/1000 <= maxOther && !strings.Contains(amount, "."), n/1000
	}
	if !ok {
		r.unread(value, o, expected)
		return false
	}
	switch kind {
	case "memory":
		r.found.Reserve.MemoryBytes = n
	case "cpu":
		r.found.Reserve.CPUMilli = n
	default:
		r.count(kind, n)
	}
	if r.said == nil {
		r.said = map[string]bool{}
	}
	r.said[kind] = true
	return true
}

func (r *requirementsReader) count(kind string, n int64) {
	other := r.found.Reserve.Other
	switch {
	case n == 0:
		delete(other, kind)
	case other == nil:
		other = map[string]int64{kind: n}
	default:
		other[kind] = n
	}
	if len(other) == 0 {
		other = nil
	}
	r.found.Reserve.Other = other
}

// isKind says whether a word may name something that machines count.
func isKind(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == ""
}

// limitSections are where systemd reads the limits of a unit of each type, see
// systemd.resource-control(5). Podman's generator passes [Service] on.
var limitSections = map[string]string{
	".service": "Service", ".socket": "Socket", ".mount": "Mount", ".swap": "Swap", ".slice": "Slice", ".scope": "Scope",
	".container": "Service", ".kube": "Service", ".volume": "Service", ".network": "Service", ".pod": "Service", ".image": "Service",
}

// limits are the options of systemd that Reserve= defaults to.
var limits = []string{"MemoryMax", "CPUQuota"}

// isLimit says whether an assignment may be what Reserve= defaults to.
func isLimit(o Option) bool {
	return slices.Contains(limits, o.Name) && slices.Contains(
		[]string{"Service", "Socket", "Mount", "Swap", "Slice", "Scope"}, o.Section)
}

// Placing returns a file of what Requirements reads, and nothing else: the
// [X-Fleet] section, the limits that Reserve= defaults to and Restart=. It shares
// no memory with the text.
func (f *File) Placing() *File {
	only := f.Section(FleetSection)
	for _, o := range f.options {
		if isLimit(o) || isRestart(o) {
			only.options = append(only.options, Option{
				Section: strings.Clone(o.Section), Name: strings.Clone(o.Name), Value: strings.Clone(o.Value), Line: o.Line,
			})
		}
	}
	slices.SortStableFunc(only.options, func(a, b Option) int { return cmp.Compare(a.Line, b.Line) })
	return only
}

// reserveLimits reserves what the unit's own limits let it use, where Reserve=
// says nothing of that kind. A limit that is a share of the machine, or none,
// reserves nothing.
func (r *requirementsReader) reserveLimits() {
	if !r.said["memory"] {
		if n, ok := parseBytes(r.limit("MemoryMax")); ok {
			r.found.Reserve.MemoryBytes = min(n, maxMemoryBytes)
		}
	}
	if percent, is := strings.CutSuffix(r.limit("CPUQuota"), "%"); is && !r.said["cpu"] {
		if n, ok := parseMilli(strings.TrimSpace(percent)); ok {
			r.found.Reserve.CPUMilli = min((n+99)/100, maxCPUMilli)
		}
	}
}

// limit is what is assigned last to one of the limits of the unit's own type.
func (r *requirementsReader) limit(name string) string {
	return r.last(limitSections[r.unit.Suffix()], name)
}

// unreadLimit says that systemd will not understand a limit either, which it
// then leaves out without a word to whoever submits the unit.
func unreadLimit(o Option) (expected string, unread bool) {
	share := strings.HasSuffix(o.Value, "%") || strings.HasSuffix(o.Value, "‰")
	switch {
	case o.Value == "":
	case o.Name == "MemoryMax":
		_, ok := parseBytes(o.Value)
		return "bytes with K, M, G or T, a percentage or infinity", !ok && !share && o.Value != "infinity"
	case o.Name == "CPUQuota":
		return "a percentage such as 50%", !share
	}
	return "", false
}

// parseBytes reads a number with systemd's suffixes, of 1024 each.
func parseBytes(s string) (int64, bool) {
	unit := int64(1)
	if s != "" {
		if at := strings.IndexByte("BKMGTPE", s[len(s)-1]); at >= 0 {
			unit, s = 1<<(10*at), strings.TrimRight(s[:len(s)-1], " \t")
		}
	}
	return parseDecimal(s, unit, 15)
}

// parseMilli reads a number as thousandths.
func parseMilli(s string) (int64, bool) { return parseDecimal(s, 1000, 3) }

// parseDecimal reads a number without a sign, with at most so many digits after
// the point, times unit, rounded up. What is larger than all limits may be cut.
func parseDecimal(s string, unit int64, digits int) (int64, bool) {
	whole, fraction, pointed := strings.Cut(s, ".")
	if whole == "" || pointed && fraction == "" || len(fraction) > digits || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	const enough = math.MaxInt64 / 2
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n >= enough/unit {
		return enough, true
	}
	part, scale := 0.0, 1.0
	for _, c := range fraction {
		part, scale = part*10+float64(c-'0'), scale*10
	}
	return n*unit + int64(math.Ceil(part*float64(unit)/scale)), true
}

// podmanLeast is the first Podman whose generator reads each type of Quadlet
// file, see the history of podman-systemd.unit(5).
var podmanLeast = map[string]string{
	".container": "4.4", ".kube": "4.4", ".volume": "4.4", ".network": "4.4", ".image": "4.8", ".pod": "5.0",
}

// podman is the least version of Podman that can run the unit; empty where it
// needs none.
func podman(unit cluster.UnitName) string { return podmanLeast[unit.Suffix()] }
