package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/store"
	"argosy/role/engine"
)

// What an engine's process is told.
const (
	engineMachine   = "SCALE_MACHINE"
	engineHost      = "SCALE_HOST"
	engineEndpoints = "SCALE_ENDPOINTS"
)

// beEngine runs an engine as a member's fleetd does, until ctx ends. It logs to
// standard output: on SIGUSR1 how it stands, on SIGUSR2 with what it needs of memory.
func beEngine(ctx context.Context) error {
	endpoints := strings.Split(os.Getenv(engineEndpoints), ",")
	s, err := store.Open(store.Config{Endpoints: endpoints})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	host := os.Getenv(engineHost)
	e := engine.New(engine.Config{
		Machine: cluster.MachineID(os.Getenv(engineMachine)), Run: rand.Text(), Store: s, Planner: schedule.New(), Log: log,
		Near: func(ctx context.Context) error { return s.MoveLeadership(ctx, host) },
	})
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	log.Info("asks are heard")
	go func() {
		for what := range asked {
			if what == syscall.SIGUSR2 {
				runtime.GC()
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			now := e.Status()
			log.Info("standing", "revision", now.Revision, "leads", now.Leads(), "heap", memory.HeapAlloc)
		}
	}()
	return e.Run(ctx)
}

// node is one of the machines that decide: a member and an engine.
type node struct {
	id     cluster.MachineID
	lease  int64
	member *member
	engine *process
	lines  chan string // of the engine's log; closed when it has ended
}

// startEngine runs the engine of a node, whose member may be away.
func (n *node) startEngine(ms members) error {
	p, err := prepare("engine", engineMachine+"="+string(n.id), engineHost+"="+n.member.host,
		engineEndpoints+"="+strings.Join(ms.endpoints(), ","))
	if err != nil {
		return err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return fmt.Errorf("start the engine of %s: %w", n.member.name, err)
	}
	n.engine, n.lines = p, make(chan string, 1000)
	lines := n.lines
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			select {
			case lines <- in.Text():
			default: // nobody reads
			}
		}
	}()
	<-lines // until then a signal would end it
	return nil
}

// standing is how an engine stands.
type standing struct {
	revision int64
	leads    bool
	heap     uint64
}

// ask has the engine say how it stands; garbage is collected first where memory is asked for.
func (n *node) ask(ctx context.Context, memory bool) (standing, error) {
	signal := syscall.SIGUSR1
	if memory {
		signal = syscall.SIGUSR2
	}
	if err := n.engine.Process.Signal(signal); err != nil {
		return standing{}, err
	}
	for {
		select {
		case line, open := <-n.lines:
			if !open {
				return standing{}, fmt.Errorf("the engine of %s has ended", n.member.name)
			}
			if _, told, is := strings.Cut(line, "msg=standing "); is {
				var s standing
				_, err := fmt.Sscanf(told, "revision=%d leads=%t heap=%d", &s.revision, &s.leads, &s.heap)
				return s, err
			}
		case <-ctx.Done():
			return standing{}, ctx.Err()
		}
	}
}

// await waits until the engine stands as is wanted.
func (n *node) await(ctx context.Context, wanted func(standing) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*patience)
	defer cancel()
	for {
		s, err := n.ask(ctx, false)
		if err != nil || wanted(s) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the engine of %s stands at %+v: %w", n.member.name, s, ctx.Err())
		}
	}
}
