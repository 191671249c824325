package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"argosy/core/cluster"
	"argosy/edge/store"
)

// agents are machines as the store sees them: each follows what is assigned to it
// over connections of its own, one to each member.
type agents struct {
	all  []*agent
	stop context.CancelFunc
	work sync.WaitGroup
}

type agent struct {
	id      cluster.MachineID
	store   *store.Store
	told    atomic.Int64 // batches that told of something
	heard   atomic.Int64 // batches
	ready   chan struct{}
	placed  chan cluster.Placement // that it was told of; has room for one
	lives   chan struct{}          // closed when it has registered, or tried to
	machine cluster.Machine        // its record, once it lives
	check   time.Duration          // since it last looked for its record
	renewed atomic.Int64           // how often it has renewed its lease
}

// atOnce is how many agents connect at a time: a cluster does not connect in one
// instant.
const atOnce = 200

// follow starts count agents, with numbers from the first on, and waits until each
// knows what is assigned to it.
func follow(ctx context.Context, first, count int, config store.Config) (*agents, error) {
	ctx, stop := context.WithCancel(ctx)
	as := &agents{stop: stop}
	err := as.start(ctx, first, count, config)
	if err != nil {
		as.end()
		return nil, err
	}
	return as, nil
}

func (as *agents) start(ctx context.Context, first, count int, config store.Config) error {
	for n := range count {
		s, err := store.Open(config)
		if err != nil {
			return err
		}
		a := &agent{id: machineNumber(first + n), store: s, ready: make(chan struct{}), lives: make(chan struct{}), placed: make(chan cluster.Placement, 1)}
		as.all = append(as.all, a)
		as.work.Go(func() {
			_ = s.Follow(ctx, cluster.Assigned(a.id), a.hear) // ends with ctx
		})
		if n >= atOnce {
			if err := as.all[n-atOnce].await(ctx); err != nil {
				return err
			}
		}
	}
	for _, a := range as.all {
		if err := a.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) await(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return fmt.Errorf("agent %s has not read its placements within %v", a.id, patience)
	}
}

func (a *agent) hear(batch cluster.Batch) error {
	if a.heard.Add(1) == 1 {
		close(a.ready)
		return nil
	}
	if len(batch.Events) > 0 {
		a.told.Add(1)
	}
	for _, event := range batch.Events {
		if changed, is := event.(cluster.PlacementChanged); is {
			select {
			case a.placed <- changed.Placement:
			default:
			}
		}
	}
	return nil
}

func (as *agents) end() {
	as.stop()
	as.work.Wait()
	for _, a := range as.all {
		_ = a.store.Close()
	}
}

// woken is how many agents were told of something since the last call.
func (as *agents) woken() (count int) {
	for _, a := range as.all {
		if a.told.Swap(0) > 0 {
			count++
		}
	}
	return count
}

// allowFiles lets this process and those that it starts have many connections, as
// far as it may.
func allowFiles(count int) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur >= uint64(count) {
		return
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(count), Max: max(limit.Max, uint64(count))})
}

var counted = regexp.MustCompile(`bytes_(?:sent|received):(\d+)`)

// onTheWire is the sum of what the kernel has carried, either way, over all
// connections to the members: tcp_info's count on the clients' side.
func onTheWire(ctx context.Context, ms members) (sum int64, err error) {
	for _, m := range ms {
		out, err := exec.CommandContext(ctx, "ss", "-tinH", "dst", m.host+":2379").Output()
		if err != nil {
			return 0, fmt.Errorf("count bytes with ss: %w", err)
		}
		if !strings.Contains(string(out), "bytes_") {
			return 0, errors.New("count bytes with ss: it shows none")
		}
		for _, match := range counted.FindAllStringSubmatch(string(out), -1) {
			n, err := strconv.ParseInt(match[1], 10, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}
