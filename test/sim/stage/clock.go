package stage

import (
	"math"
	"time"
	"unsafe"
)

// Clock is a machine's clock. It has two readings, as Go's time.Now has: the steady
// one, by which waits and timeouts go, can be fast or slow; the wall's, which people
// and records see, can be set too.
type Clock struct {
	stage *Stage
	since time.Duration // true time from which on it goes as it does
	then  time.Duration // its steady reading at that time
	drift float64       // what it gains in a second, in seconds
	off   time.Duration // how far the wall's reading is ahead of the steady one
}

// Clock returns one that is right.
func (s *Stage) Clock() *Clock { return &Clock{stage: s, since: s.now, then: s.now} }

// Jump sets the wall's reading forward, or back.
func (c *Clock) Jump(d time.Duration) { c.off += d }

// Drift has the clock gain that many seconds in each from now on, or lose them; it
// is more than -1. What waits by the clock goes by the new pace.
func (c *Clock) Drift(gain float64) {
	c.since, c.then, c.drift = c.stage.now, c.steady(), gain
	c.stage.events.retime(c)
}

// Now is the time on the clock, with both readings.
func (c *Clock) Now() time.Time {
	steady := c.steady()
	return reading(c.stage.start.Add(steady+c.off), steady)
}

// steady is the steady reading, as time since the simulation's start.
func (c *Clock) steady() time.Duration { return c.steadyAt(c.stage.now) }

func (c *Clock) steadyAt(at time.Duration) time.Duration {
	passed := at - c.since
	return c.then + passed + time.Duration(math.Floor(float64(passed)*c.drift))
}

// trueTime is the first moment at which the steady reading is as late as that.
func (c *Clock) trueTime(steady time.Duration) time.Duration {
	at := c.since + time.Duration(float64(steady-c.then)/(1+c.drift))
	for c.steadyAt(at) < steady {
		at++
	}
	for at > 0 && c.steadyAt(at-1) >= steady {
		at--
	}
	return at
}

// reading makes a Time with two readings, which the package time makes of the
// process's own clocks alone. The layout is that of time.Time, where a Time with a
// monotonic reading has the highest bit of wall set, then 33 bits of seconds since
// 1885 and 30 of nanoseconds, and the reading itself in ext.
func reading(wall time.Time, steady time.Duration) time.Time {
	t := struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}{
		wall: 1<<63 | uint64(wall.Unix()-beginningOf1885)<<30 | uint64(wall.Nanosecond()),
		ext:  int64(steady) + 1,
	}
	return *(*time.Time)(unsafe.Pointer(&t))
}

// beginningOf1885 is in seconds since 1970.
const beginningOf1885 = -2682288000
