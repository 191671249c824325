package agent

import (
	"argosy/core/cluster"
	"argosy/core/converge"
)

// message is what the desk learns from others: from the store and systemd, of
// work that was done for it, and from those who ask something of the agent.
type message interface{ learn(d *desk) }

// placed is what the store says of this machine's placements.
type placed struct{ cluster.Batch }

// observed is what systemd says of its units.
type observed struct{ converge.Observation }

// underWay says that all of a batch has begun; whether it had a reload.
type underWay struct{ reloaded bool }

// The others stand where they are made: fetched and result in work.go,
// registration in presence.go, publication in publish.go, held in doubt.go, departure in leave.go,
// question in snapshot.go, given in secrets.go, announcement in announce.go, inTouch in fence.go, lapse in behind.go.

// dismiss sends away who asks something of an agent that has ended.
func (a *Agent) dismiss() {
	a.mail.Close()
	for !a.mail.Drained() {
		switch m, _ := a.mail.Take(); m := m.(type) {
		case departure:
			m.stopped.Close()
		case question:
			m.answer.Close()
		case announcement:
			m.told.Close()
		}
	}
}
