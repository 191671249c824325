package cluster

import "time"

// How long a unit with OnPartition=stop may outlast its machine's record in the
// store. The machine's fence (docs/internals/fence.md) stands for FenceTime from
// the moment before it last asked whether its record is there, and was told yes.
// So where the record has been gone for FenceHold, the unit runs there no more:
//
//	last question <= record gone
//	units begin to stop <= last question + FenceTime + half of FenceMargin
//	units have stopped, or the machine reboots, FenceStopTime later
//	and what starts elsewhere does so after the other half of it
const (
	// FenceTime outlasts an election of the store's leader (1-2 s) and a restart of
	// fleetd, so that neither stops a unit.
	FenceTime = 10 * time.Second
	// FenceStopTime is what the units of a fallen fence have to end, three times
	// FenceUnitStopTime: systemd gives that to each of ExecStop=, the signal and
	// ExecStopPost=. When it is over, systemd reboots the machine.
	FenceStopTime = 15 * time.Second
	// FenceUnitStopTime is TimeoutStopSec= of a fenced unit, behind which it is killed.
	FenceUnitStopTime = FenceStopTime / 3
	// FenceMargin is for what the clocks of two machines differ by in that time and
	// for a systemd that is busy when its watchdog should act: reading its files
	// again takes it 0.8-1.2 s with a thousand units.
	FenceMargin = 5 * time.Second

	// FenceHold is how long a record must have been gone, by the clock of one who
	// waits, before a fenced unit of that machine may be placed elsewhere.
	FenceHold = FenceTime + FenceStopTime + FenceMargin
)
