package registry

import (
	"context"
	"fmt"
	"slices"

	"argosy/core/access"
	"argosy/core/cluster"
)

// WorkersStore is the store of those that may see all of it, for those that may not.
type WorkersStore interface {
	Placements(ctx context.Context, machine cluster.MachineID) ([]cluster.Placement, error)
	Content(ctx context.Context, hash cluster.Hash) (string, error)
}

// Workers does for machines that are no members what the store does not let them do.
// It asks the store each time: what this member knows may be of a moment ago.
type Workers struct{ Store WorkersStore }

// Content is a unit's text, for a machine on which a unit with that text is placed.
// Others are told no more of one that is there than of one that is not.
func (w Workers) Content(ctx context.Context, asks cluster.MachineID, hash cluster.Hash) (string, error) {
	placed, err := w.Store.Placements(ctx, asks)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(placed, func(p cluster.Placement) bool { return p.Hash == hash }) {
		return "", &access.Refused{
			Message: fmt.Sprintf("no unit with the text %s is placed on machine %s", hash, asks),
			Hint:    "a machine is given the texts of its own units alone",
		}
	}
	return w.Store.Content(ctx, hash)
}
