package access

import "time"

// How long certificates last. A stolen one is worth little for long, and a machine
// that was off over a long weekend still finds its own in force.
const (
	MachineLife   = 72 * time.Hour // also of Local
	PersonLife    = 30 * 24 * time.Hour
	AuthorityLife = 10 * 365 * 24 * time.Hour
	// LateRenewal is for how long after its end a machine's certificate still gets
	// it a new one: a machine that was off for a month comes back by itself. One that
	// was stolen is revoked, which no time ends.
	LateRenewal = 30 * 24 * time.Hour
)

// Life is how long a new certificate of a kind lasts.
func (k Kind) Life() time.Duration {
	if k == Person {
		return PersonLife
	}
	return MachineLife
}

// RenewedLife is how long a certificate lasts that takes the place of one that was
// good from one time to another: as long, so that whoever was given a shorter one
// keeps it, and never longer than its kind's.
func (k Kind) RenewedLife(from, until time.Time) time.Duration {
	return min(until.Sub(from), k.Life())
}

// RenewAt is when a certificate's holder renews it: when a third of its life is
// left, or up to a twelfth of it later. Where in between is for a number from 0 to
// 1 that each holder draws, so that those who began together do not come together.
func RenewAt(from, until time.Time, draw float64) time.Time {
	life := until.Sub(from)
	return until.Add(-life/3 + time.Duration(draw*float64(life/12)))
}

// EndsSoon says that a certificate is in its last tenth, or has ended: renewing it
// has not worked, and people should know.
func EndsSoon(from, until, now time.Time) bool {
	return until.Sub(now) < until.Sub(from)/10
}

// MayRenew says whether a certificate that ends at until still gets its holder a
// new one.
func (k Kind) MayRenew(until, now time.Time) bool {
	if k == Person {
		return now.Before(until) // who has been away asks an admin
	}
	return now.Before(until.Add(LateRenewal))
}
