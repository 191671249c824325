package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/store"
)

const (
	commitMachines = 1000 // that the placements go to, each with guards of its own
	commitUnits    = 7680 // decisions that an engine commits at a time
	commitRounds   = 30   // of the one and the other, in turns
	// rawOps is what the floor's transactions are made of: etcd's default limit.
	rawOps = 128
	// rawInFlight is how many of them are under way at a time: more was no faster.
	rawInFlight = 8
)

// commit is the rate of durable placement in percent of what etcd does in plain
// transactions of 128 keys: the same keys and values, in turns on one store, so
// that what else the machine does slows both.
func (l *lab) commit(ctx context.Context) error {
	for _, count := range []int{1, 3} {
		ms, err := start(ctx, l.dir, count)
		if err != nil {
			return err
		}
		err = l.commitOn(ctx, ms)
		ms.end()
		if err != nil {
			return fmt.Errorf("with %d members: %w", count, err)
		}
	}
	return nil
}

func (l *lab) commitOn(ctx context.Context, ms members) error {
	p, err := decide(ctx, ms)
	if err != nil {
		return err
	}
	defer p.close()
	var raw, placed []turn
	var ratios []float64
	for range commitRounds {
		for _, way := range []struct {
			write func(context.Context) error
			turns *[]turn
		}{{p.writeRaw, &raw}, {p.commit, &placed}} {
			one, err := takeTurn(ctx, ms, way.write)
			if err != nil {
				return err
			}
			*way.turns = append(*way.turns, one)
		}
		last := len(raw) - 1
		ratios = append(ratios, raw[last].took.Seconds()/placed[last].took.Seconds())
	}
	rate := func(t turn) float64 { return commitUnits / t.took.Seconds() }
	l.add(fmt.Sprintf("durable placement against raw transactions of %d keys, members: %d", rawOps, len(ms)), "75%",
		"%.0f%% (%.0f of %.0f keys/s)", 100*median(ratios), median(each(placed, rate)), median(each(raw, rate)))
	here := func(t turn) float64 { return float64(t.here.Microseconds()) / commitUnits }
	there := func(t turn) float64 { return float64(t.there.Microseconds()) / commitUnits }
	l.add("  processor time a key: leader and members", "-", "%.1f and %.1f us (raw %.1f and %.1f us)",
		mean(each(placed, here)), mean(each(placed, there)), mean(each(raw, here)), mean(each(raw, there)))
	return nil
}

// turn is one writing of all placements.
type turn struct{ took, here, there time.Duration }

func takeTurn(ctx context.Context, ms members, write func(context.Context) error) (turn, error) {
	there, err := ms.spent()
	if err != nil {
		return turn{}, err
	}
	here, began := spentHere(), time.Now()
	if err := write(ctx); err != nil {
		return turn{}, err
	}
	t := turn{took: time.Since(began), here: spentHere() - here}
	t.there, err = ms.spent()
	t.there -= there
	return t, err
}

func each(turns []turn, value func(turn) float64) (all []float64) {
	for _, t := range turns {
		all = append(all, value(t))
	}
	return all
}

func mean(all []float64) float64 {
	sum := 0.0
	for _, one := range all {
		sum += one
	}
	return sum / float64(len(all))
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// placements are decisions and what they were made from, in a store.
type placements struct {
	store   *store.Store
	client  *clientv3.Client
	term    cluster.Leader
	changes []schedule.Change
	keys    []string
	values  []string
}

func (p *placements) close() {
	_ = p.client.Close()
	_ = p.store.Close()
}

// decide writes machines and units and decides where the units go. Whether the
// decisions are good is not measured here.
func decide(ctx context.Context, ms members) (*placements, error) {
	p := &placements{}
	var err error
	if p.client, err = ms.connect(); err != nil {
		return nil, err
	}
	if p.store, err = store.Open(store.Config{Endpoints: ms.endpoints(), TLS: ms[0].secrets, Timeout: time.Minute}); err != nil {
		return nil, err
	}
	units, err := fill(ctx, p.client, commitUnits, func(n int) string { return "/argosy/v1/units/" + string(unitNumber(n)) }, strings.Repeat("u", 200))
	if err != nil {
		return nil, err
	}
	machines, err := fill(ctx, p.client, commitMachines, func(n int) string { return "/argosy/v1/machines/" + string(machineNumber(n)) }, `{"metadata":{"of":"`+strings.Repeat("m", 380)+`"}}`)
	if err != nil {
		return nil, err
	}
	for n := range commitUnits {
		placement := cluster.Placement{
			Machine: machineNumber(n % commitMachines), Unit: unitNumber(n),
			Hash: cluster.HashOf(""), Desired: cluster.Launched, Generation: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			Reason: "the fewest units of 1000 machines that may run it, in zone b",
		}
		p.changes = append(p.changes, schedule.Place{
			Placement: placement, UnitRevision: units[n], MachineRevision: machines[n%commitMachines],
		})
		p.keys = append(p.keys, "/argosy/v1/placements/"+string(placement.Machine)+"/"+string(placement.Unit))
	}
	if p.term, err = p.store.TakeLead(ctx, cluster.Leader{Run: "scale"}); err != nil {
		return nil, err
	}
	// The floor writes what Commit has written.
	if err := p.commit(ctx); err != nil {
		return nil, err
	}
	response, err := p.client.Get(ctx, "/argosy/v1/placements/", clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, kv := range response.Kvs {
		values[string(kv.Key)] = string(kv.Value)
	}
	for _, key := range p.keys {
		p.values = append(p.values, values[key])
	}
	return p, nil
}

func unitNumber(n int) cluster.UnitName {
	return cluster.UnitName("web@" + strconv.Itoa(n) + ".service")
}

func machineNumber(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n+1)) }

// fill writes facts that nobody reads, for their revisions.
func fill(ctx context.Context, client *clientv3.Client, count int, key func(int) string, value string) (revisions []int64, err error) {
	for len(revisions) < count {
		var ops []clientv3.Op
		for n := len(revisions); n < min(len(revisions)+rawOps, count); n++ {
			ops = append(ops, clientv3.OpPut(key(n), value))
		}
		response, err := client.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return nil, err
		}
		revisions = append(revisions, slices.Repeat([]int64{response.Header.Revision}, len(ops))...)
	}
	return revisions, nil
}

// writeRaw writes the placements as etcd does it fastest in transactions of 128.
func (p *placements) writeRaw(ctx context.Context) error {
	return writeAll(ctx, p.client, commitUnits, func(n int) clientv3.Op { return clientv3.OpPut(p.keys[n], p.values[n]) })
}

// writeAll writes as many keys in transactions of 128, several at a time.
func writeAll(ctx context.Context, client *clientv3.Client, count int, put func(n int) clientv3.Op) error {
	slots := make(chan struct{}, rawInFlight)
	errs := make([]error, (count+rawOps-1)/rawOps)
	var work sync.WaitGroup
	for i := range errs {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			var ops []clientv3.Op
			for n := i * rawOps; n < min(count, (i+1)*rawOps); n++ {
				ops = append(ops, put(n))
			}
			_, errs[i] = client.Txn(ctx).Then(ops...).Commit()
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

func (p *placements) commit(ctx context.Context) error {
	events, err := p.store.Commit(ctx, p.term, p.changes)
	if err == nil && len(events) != len(p.changes) {
		err = fmt.Errorf("%d of %d written", len(events), len(p.changes))
	}
	return err
}
