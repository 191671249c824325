package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Bounds of the dispute over a machine's id.
const (
	// claimTime is how long the machine that holds the record may take to answer.
	claimTime = time.Second
	// refusedRetry is the pause of a machine whose id another one lives with.
	refusedRetry = 10 * time.Second
	// rivalKept outlasts several claims that were lost on the way.
	rivalKept = time.Minute
)

// Peers speaks to the agents of other machines.
type Peers interface {
	// Claim tells the one whose API is at HOST:PORT that this machine has its id,
	// and returns who answers there.
	Claim(ctx context.Context, at string, by api.Identity) (api.Identity, error)
}

// refusedError says that another machine holds this one's record.
type refusedError struct {
	holder string // its name and address
	own    string
	id     cluster.MachineID
	lives  bool // the holder has answered; else its lease tells
}

func (e *refusedError) Error() string {
	if e.lives {
		return fmt.Sprintf("refused: %s and %s both have the machine id %s: give one of them another /etc/machine-id", e.own, e.holder, e.id)
	}
	return fmt.Sprintf("waiting: %s holds the machine id %s, which %s has as well, and does not answer; its lease ends by itself if it is gone",
		e.holder, e.id, e.own)
}

// mayTakeOver says whether a record of another boot may be replaced: nil where
// the machine that wrote it is this one before its boot, or gone from its place.
//
// A machine that boots faster than its lease ends takes its record over at once.
// What tells it from a second machine with the same id is who answers at the
// record's address: that is this machine itself, or nobody but this machine can
// be there. Where another address is silent, only the lease tells: a machine that
// lives renews it, wherever it is, and a dead one's ends.
func (a *Agent) mayTakeOver(ctx context.Context, held cluster.Machine) error {
	own := a.Identity()
	refused := &refusedError{
		holder: api.Identity{Name: held.Name, Address: held.Address}.Describe(), own: own.Describe(), id: own.Machine,
	}
	if a.presence.known {
		refused.lives = true // it took the record from this machine while this one was away
		return refused
	}
	answer, err := a.claim(ctx, held.API)
	switch {
	case err == nil && answer.Machine == own.Machine && answer.BootID != own.BootID:
		refused.lives = true
		return refused
	case err == nil && answer == own, held.Address == own.Address:
		return nil
	}
	return refused
}

func (a *Agent) claim(ctx context.Context, at string) (api.Identity, error) {
	if a.config.Peers == nil {
		return api.Identity{}, errors.New("this machine has no certificate to ask others with")
	}
	ctx, cancel := a.on.WithTimeout(ctx, claimTime)
	defer cancel()
	return a.config.Peers.Claim(ctx, at, a.Identity())
}

// giveUpLease ends the lease of a machine that is refused: nothing is bound to it.
func (a *Agent) giveUpLease(ctx context.Context) {
	lease := a.presence.lease
	if lease == 0 {
		return
	}
	a.presence.lease = 0
	err := a.disk.ForgetLease()
	if revoked := a.store.RevokeLease(ctx, lease); !errors.Is(revoked, cluster.ErrLeaseGone) {
		err = errors.Join(err, revoked)
	}
	if err != nil {
		a.log.Warn("a lease of no use ends by itself", "error", err)
	}
}

// Admitted says whether this machine's record is its own, as far as is known.
// Until it is, and while another machine lives with its id, no unit is touched
// and this machine must not decide for the cluster.
func (a *Agent) Admitted() bool {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.admitted
}
