package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"argosy/edge/store"
)

// What a process of machines is told.
const (
	crowdRange     = "SCALE_RANGE" // FIRST COUNT SECONDS of a lease
	crowdEndpoints = "SCALE_ENDPOINTS"
	crowdPKI       = "SCALE_PKI"
	crowdName      = "SCALE_NAME" // by whose certificate
)

// inOneProcess is how many machines are, each with a connection to each of three
// members: a process may not have as many files as it likes.
const inOneProcess = 5000

// beAgents runs machines as their fleetds do while nothing happens. It says on
// standard output when they follow; on SIGUSR1 they take leases, and it says when all
// have; on SIGUSR2 it says how often they have renewed them.
func beAgents(ctx context.Context) error {
	var first, count, seconds int
	if _, err := fmt.Sscan(os.Getenv(crowdRange), &first, &count, &seconds); err != nil {
		return err
	}
	secrets, err := secretsOf(os.Getenv(crowdPKI), os.Getenv(crowdName))
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	as, err := follow(ctx, first, count, store.Config{
		Endpoints: strings.Split(os.Getenv(crowdEndpoints), ","), TLS: secrets, Timeout: patience,
	})
	if err != nil {
		return err
	}
	defer as.end()
	fmt.Println("following")
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- as.live(ctx, time.Duration(seconds)*time.Second) }()
	if err := as.registered(ctx); err != nil {
		return err
	}
	fmt.Println("living")
	for {
		select {
		case <-asked:
			fmt.Println(as.renewals())
		case err := <-ended:
			return err
		}
	}
}

func (as *agents) renewals() (sum int64) {
	for _, a := range as.all {
		sum += a.renewed.Load()
	}
	return sum
}

// crowd is many machines, in as many processes as it takes.
type crowd []*part

type part struct {
	*process
	lines *bufio.Scanner
}

// gather starts machines, and waits until all follow.
func gather(ms members, count int, lease time.Duration) (crowd, error) {
	var all crowd
	for first := 0; first < count; first += inOneProcess {
		p, err := prepare("agents", crowdRange+"="+fmt.Sprint(first, min(inOneProcess, count-first), int(lease.Seconds())),
			crowdEndpoints+"="+strings.Join(ms.endpoints(), ","), crowdPKI+"="+ms[0].pki, crowdName+"="+ms[0].name)
		if err != nil {
			all.end()
			return nil, err
		}
		out, err := p.StdoutPipe()
		if err == nil {
			err = p.Start()
		}
		if err != nil {
			all.end()
			return nil, fmt.Errorf("start machines from %d on: %w", first, err)
		}
		all = append(all, &part{p, bufio.NewScanner(out)})
		if _, err := all[len(all)-1].hear(); err != nil { // one after the other: handshakes cost more than all else
			all.end()
			return nil, err
		}
	}
	return all, nil
}

func (p *part) hear() (string, error) {
	if !p.lines.Scan() {
		return "", fmt.Errorf("a process of machines has ended: %v", p.lines.Err())
	}
	return p.lines.Text(), nil
}

// tell has all do what a signal asks for, and returns what they say to it.
func (c crowd) tell(what os.Signal) (answers []string, err error) {
	for _, p := range c {
		if err := p.Process.Signal(what); err != nil {
			return nil, err
		}
	}
	for _, p := range c {
		answer, err := p.hear()
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// renewals is how many renewals of leases there were so far.
func (c crowd) renewals() (sum int, err error) {
	answers, err := c.tell(syscall.SIGUSR2)
	for _, answer := range answers {
		var one int
		if _, err := fmt.Sscan(answer, &one); err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, err
}

func (c crowd) end() {
	for _, p := range c {
		p.kill()
	}
}
