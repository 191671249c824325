package chaos

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSameSeedSameRound(t *testing.T) {
	if a, b := Draw(7, five, 2*time.Minute), Draw(7, five, 2*time.Minute); !reflect.DeepEqual(a, b) || len(a) < 10 {
		t.Errorf("from one seed %d faults and %d faults:\n%v\n%v", len(a), len(b), a, b)
	}
	if a, b := Draw(7, five, 2*time.Minute), Draw(8, five, 2*time.Minute); reflect.DeepEqual(a, b) {
		t.Error("two seeds draw the same faults")
	}
	a, b := NewLoad(7, Units("x")), NewLoad(7, Units("x"))
	for range 300 {
		if x, y := a.Next(), b.Next(); x != y {
			t.Fatalf("from one seed %v and %v", x, y)
		}
	}
}

// Over many seeds every kind of fault comes, no machine has two of a class at
// once, faults end with the round, and the store mostly keeps its majority.
func TestDrawnFaults(t *testing.T) {
	const length = 60 * time.Second
	seen, rounds, paralysed := map[Kind]int{}, 200, 0
	for seed := range rounds {
		h := History{Machines: five, Faults: Draw(uint64(seed), five, length)}
		for i, f := range h.Faults {
			seen[f.Kind]++
			if f.After+f.For > length {
				t.Errorf("seed %d: %s at %s outlasts the round", seed, f, f.After)
			}
			if strings.HasSuffix(string(f.Kind), "etcd") && f.Machine > "core-03" || f.Machine == f.Other {
				t.Errorf("seed %d: %s cannot be done", seed, f)
			}
			if seed%2 == 1 && f.Kind.takesMachine() {
				t.Errorf("seed %d is odd: %s", seed, f)
			}
			for _, other := range h.Faults[:i] {
				if other.Machine == f.Machine && other.Kind.class() == f.Kind.class() && other.touches(f, 0) {
					t.Errorf("seed %d: %s at %s and %s at %s", seed, other, other.After, f, f.After)
				}
			}
			h.Faults[i].Span = Span{f.After, f.After + f.For + settling}
		}
		if len(h.withoutMajority()) > 0 {
			paralysed++
		}
	}
	for _, k := range kinds {
		if seen[k] < rounds/10 {
			t.Errorf("%s came %d times in %d rounds", k, seen[k], rounds)
		}
	}
	if paralysed == 0 || paralysed > rounds*2/3 {
		t.Errorf("the store lost its majority in %d of %d rounds", paralysed, rounds)
	}
}

// The load starts every unit, touches no calm one again, and asks for all that
// an operator can ask for.
func TestDrawnLoad(t *testing.T) {
	units := Units("x")
	load := NewLoad(3, units)
	asked, wanted := map[string]int{}, map[string]int{}
	for range 500 {
		q := load.Next()
		asked[q.Unit]++
		wanted[q.Wanted.Desired]++
		if (q.Wanted.Version == 0) != (q.Wanted.Desired == "") {
			t.Errorf("%+v", q)
		}
	}
	for _, u := range units {
		if asked[u.Name] == 0 || u.Calm && asked[u.Name] != 1 {
			t.Errorf("%s was asked for %d times", u.Name, asked[u.Name])
		}
	}
	for _, desired := range []string{"", "inactive", "loaded", "launched"} {
		if wanted[desired] == 0 {
			t.Errorf("nothing was ever wanted %q", desired)
		}
	}
}

func TestTextHasItsVersion(t *testing.T) {
	for _, u := range append(Units("x"), Unit{Name: "y.service", Fenced: true}) {
		text := u.Text(42)
		if VersionOf(text) != 42 {
			t.Errorf("version %d of\n%s", VersionOf(text), text)
		}
		for word, has := range map[string]bool{
			"Global=true": u.Global, "OnPartition=stop": u.Fenced, "Conflicts=": u.Conflicts != "", "MachineOf=": u.MachineOf != "",
			"MaxPerMachine=": u.MaxPerMachine > 0, "Type=oneshot": u.Once,
		} {
			if strings.Contains(text, word) != has {
				t.Errorf("%s: %s in its text: %t\n%s", u.Name, word, !has, text)
			}
		}
	}
	if VersionOf("[Service]\nExecStart=/bin/true\n") != 0 {
		t.Error("a text without a version has one")
	}
}

func TestReadJournal(t *testing.T) {
	output := `{"MESSAGE":"start x.service 1 0 100.25","_BOOT_ID":"a","_PID":"i"}
{"MESSAGE":"start y.service 3 7 101.00","_BOOT_ID":"a","_PID":"j"}
{"MESSAGE":"stop x.service 1 0 102.5","_BOOT_ID":"a","_PID":"i"}
{"MESSAGE":"stop z.service 1 0 102.6","_BOOT_ID":"a","_PID":"before"}
{"MESSAGE":"start y.service 3 9 130.5","_BOOT_ID":"b","_PID":"j"}
`
	runs, err := ReadJournal("core-01", []byte(output), map[string]Span{"a": {110 * second, 130 * second}}, []Fault{fault(Kill, "core-02", 112*second, 0), fault(Kill, "core-01", 115*second, 0)})
	want := []Run{
		{"x.service", "core-01", 1, 0, Span{100250 * time.Millisecond, 102500 * time.Millisecond}},
		{"y.service", "core-01", 3, 7, Span{101 * second, 115 * second}},
		{"y.service", "core-01", 3, 9, Span{130500 * time.Millisecond, 0}},
	}
	if err != nil || !slices.Equal(runs, want) {
		t.Errorf("%+v, %v", runs, err)
	}
	for line, says := range map[string]string{
		`{"MESSAGE":"start x 1`:           "read the journal of core-01: unexpected end",
		`{"MESSAGE":[1,2]}`:               "read the journal of core-01: a message that is no text: {\"MESSAGE\":[1,2]}",
		`{}`:                              "read the journal of core-01: a message that is no text: {}",
		`{"MESSAGE":"hello"}`:             `read the journal of core-01: "hello" is nothing that a witness says`,
		`{"MESSAGE":"start x one 0 1.0"}`: `read the journal of core-01: "start x one 0 1.0": the version is no number`,
		`{"MESSAGE":"start x 1 a 1.0"}`:   `read the journal of core-01: "start x 1 a 1.0": the token is no number`,
		`{"MESSAGE":"start x 1 0 NaN"}`:   `read the journal of core-01: "start x 1 0 NaN": the time is no number of seconds`,
		`{"MESSAGE":"start x 1 0 -1"}`:    `read the journal of core-01: "start x 1 0 -1": the time is no number of seconds`,
	} {
		if _, err := ReadJournal("core-01", []byte(line), nil, nil); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v, expected %s", line, err, says)
		}
	}
}

func TestReadBoots(t *testing.T) {
	ended, err := ReadBoots([]byte(`[{"index":-1,"boot_id":"a","first_entry":1001000000,"last_entry":1005000000},{"index":0,"boot_id":"b","first_entry":1007000000,"last_entry":1009000000}]`), time.UnixMicro(1_000_000_000))
	if err != nil || len(ended) != 1 || ended["a"] != (Span{5 * second, 7 * second}) {
		t.Errorf("%v, %v", ended, err)
	}
	if none, err := ReadBoots([]byte("[]"), time.Time{}); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	if _, err := ReadBoots([]byte("no boots"), time.Time{}); err == nil || !strings.HasPrefix(err.Error(), "read the list of boots: ") {
		t.Error(err)
	}
}

// A process without a last word, whose machine was not killed, ended no later
// than its machine's journal.
func TestPowerCut(t *testing.T) {
	faults := []Fault{fault(Kill, "core-01", 5*second, 0), fault(Pause, "core-01", 12*second, 0), fault(Kill, "core-01", 40*second, 0)}
	if got := powerCut("core-01", Span{10 * second, 20 * second}, faults); got != 10*second {
		t.Errorf("a machine that rebooted by itself ended at %s", got)
	}
}
