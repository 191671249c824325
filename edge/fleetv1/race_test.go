package fleetv1_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"argosy/core/api"
	"argosy/core/cluster"
	handler "argosy/edge/fleetv1"
	"argosy/role/registry"
)

// meeting is a registry whose first readers of a unit wait for each other, so that
// all have seen the same when they write.
type meeting struct {
	*registry.Registry
	all *sync.WaitGroup
}

func (m meeting) Unit(ctx context.Context, least int64, name cluster.UnitName) (api.UnitAnswer, error) {
	answer, err := m.Registry.Unit(ctx, least, name)
	if err != nil { // nobody sees it before all have met
		m.all.Done()
		m.all.Wait()
	}
	return answer, err
}

// TestPutsAtOnce: of many who create a unit with one text, one is told that it
// has; of those with other texts, each is told that its own was stored. Seen to
// fail without the guard on generations.
func TestPutsAtOnce(t *testing.T) {
	for _, c := range []struct{ writers, texts, created int }{{20, 1, 1}, {attempts, attempts, attempts}} {
		run(t, func(b *bench) {
			codes := make(chan int, c.writers)
			all := &sync.WaitGroup{}
			all.Add(c.writers)
			b.handler = handler.New(handler.Config{Registry: meeting{b.registry, all}, By: called("tester"), May: anything, Version: "1.2.3"})
			for i := range c.writers {
				body := fmt.Sprintf(`{"desiredState":%q,"options":[{"section":"Service","name":"ExecStart","value":"/bin/sleep %d"}]}`,
					[]string{"launched", "loaded"}[i%2], i%c.texts)
				go func() { codes <- b.ask("PUT", "/fleet/v1/units/web.service", body).code }()
			}
			count := map[int]int{}
			for range c.writers {
				count[<-codes]++
			}
			if count[201] != c.created || count[204] != c.writers-c.created {
				b.Errorf("%+v: statuses %v", c, count)
			}
		})
	}
}

// attempts is how often the handler decides anew: so many may write at once.
const attempts = 4
