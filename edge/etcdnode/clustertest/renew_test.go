package clustertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	facts "argosy/core/cluster"
	"argosy/edge/store"
)

// renewer is a machine that keeps a lease, over a connection of its own.
type renewer struct {
	*store.Store
	lease int64
}

// TestLeasesOutliveTheLeader has machines keep their leases, which comes to be at
// raft's leader alone, and kills that: no lease ends, and all are soon kept at the
// next leader.
func TestLeasesOutliveTheLeader(t *testing.T) {
	c := start(t)
	const machines, lasts = 100, 10 * time.Second
	var all []*renewer
	for range machines {
		s := c.store(c.members[:]...)
		lease, err := s.GrantLease(t.Context(), lasts)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &renewer{s, lease})
	}
	leader := c.await("before the kill", c.members[:]...)
	c.renewedAt(all, leader)
	leader.kill()
	pace := time.NewTicker(lasts / 3)
	defer pace.Stop()
	for range 7 { // for more than twice as long as a lease lasts
		if err := renewAll(t.Context(), all); errors.Is(err, facts.ErrLeaseGone) {
			t.Fatal(err)
		} else if err != nil {
			t.Logf("tried again: %v", err)
		}
		<-pace.C
	}
	c.renewedAt(all, c.await("after the kill", c.up()...))
}

// renewAll has each renew once, and returns what went wrong first.
func renewAll(ctx context.Context, all []*renewer) error {
	errs := make([]error, len(all))
	var work sync.WaitGroup
	for i, r := range all {
		work.Go(func() { errs[i] = r.KeepAlive(ctx, r.lease) })
	}
	work.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// renewedAt waits until nobody asks another member than leader to renew.
func (c *cluster) renewedAt(all []*renewer, leader *member) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for asked := -1.0; asked != 0 && c.t.Context().Err() == nil; {
		before := c.askedToRenew(ctx, leader)
		if err := renewAll(ctx, all); err != nil {
			c.t.Fatalf("renew at %s: %v", leader.name, err)
		}
		if asked = c.askedToRenew(ctx, leader) - before; ctx.Err() != nil {
			c.t.Fatalf("%v of %d renewals were not asked of %s, which leads", asked, len(all), leader.name)
		}
	}
}

// askedToRenew is how many renewals have been asked of the members but one, as they
// count.
func (c *cluster) askedToRenew(ctx context.Context, but *member) (sum float64) {
	c.t.Helper()
	const metric = `grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",`
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.tls("core-01")}}
	defer client.CloseIdleConnections()
	for _, m := range c.up() {
		if m == but {
			continue
		}
		until(c.t, ctx, "metrics of "+m.name, func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url(2379)+"/metrics", nil)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer func() { _ = response.Body.Close() }()
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), metric) {
					count, err := strconv.ParseFloat(lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:], 64)
					sum += count
					return err
				}
			}
			return fmt.Errorf("%s does not count renewals", m.name)
		})
	}
	return sum
}

// up are the members that run.
func (c *cluster) up() (running []*member) {
	for _, m := range c.members {
		if m.process != nil {
			running = append(running, m)
		}
	}
	return running
}
