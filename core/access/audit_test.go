package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestEntries(t *testing.T) {
	by := Caller{Account: Account{Name: "alice", Role: Operator}, From: "10.0.0.9", Via: id}
	done := by.Entry(Change, "set unit web.service", "launched", noon)
	want := Entry{At: noon, By: "alice", Role: Operator, From: "10.0.0.9", Via: id, Verb: Change, Did: "set unit web.service", Note: "launched", Outcome: Done}
	if done != want {
		t.Errorf("%+v, want %+v", done, want)
	}
	refused := by.Refusal(Govern, "PUT /argosy/v2/people/eve", "alice is an operator\nand may not", noon)
	want = Entry{At: noon, By: "alice", Role: Operator, From: "10.0.0.9", Via: id, Verb: Govern, Did: "PUT /argosy/v2/people/eve", Outcome: Barred, Why: "alice is an operator and may not"}
	if refused != want {
		t.Errorf("%+v, want %+v", refused, want)
	}
	for _, c := range []struct {
		e    Entry
		want Shelf
	}{
		{done, Changes}, {by.Entry(Label, "", "", noon), Changes}, {by.Entry(Govern, "", "", noon), Rule},
		{by.Entry(Serve, "", "", noon), Rule}, {refused, Refusals}, {by.Refusal(Change, "", "", noon), Refusals},
		{by.Conflict(Change, "", "", noon), Refusals}, {Stranger("10.0.0.9").Refusal(Enter, "", "", noon), Strangers},
	} {
		if got := c.e.Shelf(); got != c.want || !slices.Contains(Shelves(), got) || got.Keeps() < 1000 {
			t.Errorf("%+v is on shelf %s of %d, want %s", c.e, got, got.Keeps(), c.want)
		}
	}
}

// Whatever somebody calls things, an entry is of lines of a bounded length.
func TestEntriesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOfN(rapid.Byte(), 0, 2*maxNote).Draw(t, "text"))
		e := Caller{Account: Account{Name: text}, From: text}.Refusal(Change, text, text, noon)
		for _, got := range []string{e.By, e.From, e.Did, e.Why} {
			if len(got) > maxNote || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00") {
				t.Fatalf("%q", got)
			}
		}
	})
}

func TestMeter(t *testing.T) {
	var m Meter
	now, recorded := noon, 0
	for range 100 {
		if unrecorded, allowed := m.Allow("eve", now); allowed {
			recorded++
		} else if unrecorded != 0 {
			t.Errorf("%d told of what is not recorded", unrecorded)
		}
	}
	if recorded != burst {
		t.Errorf("%d of 100 at once were recorded, want %d", recorded, burst)
	}
	if _, allowed := m.Allow("otto", now); !allowed {
		t.Error("one who is refused often keeps another one from being recorded")
	}
	if _, allowed := m.Allow("eve", now.Add(-time.Hour)); allowed {
		t.Error("a clock that goes back lets one more be recorded")
	}
	if unrecorded, allowed := m.Allow("eve", now.Add(11*time.Second)); !allowed || unrecorded != 91 {
		t.Errorf("ten seconds later: %d, %v", unrecorded, allowed)
	}
	for n := range 3 * meterNames {
		m.Allow(fmt.Sprint(n), now)
	}
	if len(m.names) > meterNames {
		t.Errorf("%d names are kept", len(m.names))
	}
}

// In any stretch of time a name has no more recorded than the burst and its share.
func TestMeterBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Meter
		now, recorded := noon, 0
		for _, wait := range rapid.SliceOfN(rapid.IntRange(0, 20), 1, 200).Draw(t, "seconds") {
			now = now.Add(time.Duration(wait) * time.Second)
			if _, allowed := m.Allow("eve", now); allowed {
				recorded++
			}
		}
		if most := burst + int(now.Sub(noon).Minutes()*perMinute) + 1; recorded > most {
			t.Fatalf("%d recorded in %s, at most %d expected", recorded, now.Sub(noon), most)
		}
	})
}

// However many addresses they come from, strangers have no more recorded than their
// share, and who comes from one address no more than one name.
func TestStrangersMeterBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m StrangersMeter
		now, all, asked, told := noon, 0, 0, 0
		each := map[string]int{}
		for range rapid.IntRange(1, 600).Draw(t, "refusals") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
			from := fmt.Sprint("10.0.0.", rapid.IntRange(1, 60).Draw(t, "from"))
			unrecorded, allowed := m.Allow(from, now)
			if asked++; allowed {
				all, each[from], told = all+1, each[from]+1, told+1+unrecorded
			}
		}
		minutes := now.Sub(noon).Minutes()
		if most := strangersBurst + int(minutes*strangersPerMinute) + 1; all > most {
			t.Fatalf("%d recorded, at most %d expected", all, most)
		}
		for from, n := range each {
			if most := burst + int(minutes*perMinute) + 1; n > most {
				t.Fatalf("%d recorded from %s, at most %d expected", n, from, most)
			}
		}
		if told > asked {
			t.Fatalf("%d refusals told of %d", told, asked)
		}
	})
}
