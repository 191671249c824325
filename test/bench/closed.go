package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"argosy/core/cluster"
)

const (
	closedRounds  = 8  // with the store's auth on and off, in turns
	closedSubmits = 25 // in each
)

// closed is what the store's auth costs from submit to active. Both ways have TLS and
// guards, which a cluster cannot be without; test/scale has a store that is.
func (l *lab) closed(ctx context.Context) error {
	var with, without []time.Duration
	for round := range closedRounds {
		for _, way := range []struct {
			auth string
			took *[]time.Duration
		}{{"disable", &without}, {"enable", &with}} { // it ends as it began
			if _, err := l.shell(ctx, "core-01", asMember+"auth "+way.auth); err != nil {
				return err
			}
			some, err := l.submitSome(ctx, fmt.Sprintf("closed-%d-%s", round, way.auth), closedSubmits)
			if err != nil {
				return err
			}
			*way.took = append(*way.took, some...)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	on, off := ms(with[len(with)/2]), ms(without[len(without)/2])
	l.add("submit to active with the store's auth, p50: time more", "15%", "%.0f%% (%.1f ms, %.1f ms without)", 100*(on/off-1), on, off)
	return nil
}

// submitSome is the time of some units from submit to active, one after the other.
func (l *lab) submitSome(ctx context.Context, prefix string, count int) (took []time.Duration, err error) {
	name := func(i int) cluster.UnitName { return cluster.UnitName(fmt.Sprintf("%s-%d.service", prefix, i)) }
	for i := range count {
		one, err := l.toActive(ctx, name(i))
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	for i := range count {
		if _, err := l.api.Destroy(ctx, name(i)); err != nil {
			return nil, err
		}
	}
	return took, nil
}
