package access

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A certificate is renewed while a quarter to a third of it is left, which is
// before anybody is warned, and what takes its place never lasts longer.
func TestRenewalComesInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "from"), 0)
		life := time.Duration(rapid.Int64Range(int64(10*time.Second), int64(AuthorityLife)).Draw(t, "life"))
		until := from.Add(life)
		at := RenewAt(from, until, rapid.Float64Range(0, 1).Draw(t, "draw"))
		if left := until.Sub(at); left > life/3 || left < life/4-time.Second {
			t.Fatalf("renewed with %s of %s left", left, life)
		}
		if EndsSoon(from, until, at) {
			t.Fatal("people are warned of a certificate that is renewed in time")
		}
		if !EndsSoon(from, until, until.Add(-life/10+1)) || !EndsSoon(from, until, until.Add(1)) {
			t.Fatal("nobody is warned")
		}
		kind := rapid.SampledFrom([]Kind{Member, Worker, Local, Person}).Draw(t, "kind")
		if next := kind.RenewedLife(from, until); next > life || next > kind.Life() {
			t.Fatalf("%s after %s", next, life)
		}
	})
}

func TestMayRenew(t *testing.T) {
	until := time.Unix(1e9, 0)
	for _, c := range []struct {
		kind  Kind
		after time.Duration
		want  bool
	}{
		{Worker, -time.Second, true},
		{Worker, 29 * 24 * time.Hour, true},
		{Worker, 31 * 24 * time.Hour, false},
		{Local, 29 * 24 * time.Hour, true},
		{Person, -time.Second, true},
		{Person, time.Second, false},
	} {
		if got := c.kind.MayRenew(until, until.Add(c.after)); got != c.want {
			t.Errorf("%s, %s after its end: %t", c.kind, c.after, got)
		}
	}
}
