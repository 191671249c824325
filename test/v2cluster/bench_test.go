//go:build store

package v2cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// contender is one way to the store that is measured.
type contender struct {
	name string
	ask  func(ctx context.Context, key string) error
}

// race lets the contenders take short turns, so that what else the machine does
// is shared by all, and reports each one's rate, or with one client the time of a
// request, and its part of the first's.
func race(b *testing.B, clients, perClient int, contenders []contender) {
	spent := make([]time.Duration, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			begun := time.Now()
			var asking sync.WaitGroup
			for client := range clients {
				asking.Go(func() {
					for range perClient {
						if err := c.ask(b.Context(), fmt.Sprintf("bench/%d", client)); err != nil {
							b.Error(c.name, err)
						}
					}
				})
			}
			asking.Wait()
			spent[i] += time.Since(begun)
		}
	}
	requests := float64(b.N * clients * perClient)
	for i, c := range contenders {
		if clients == 1 {
			b.ReportMetric(spent[i].Seconds()*1e6/requests, c.name+"-µs")
			b.ReportMetric(spent[i].Seconds()/spent[0].Seconds(), c.name+"-times-"+contenders[0].name)
		} else {
			b.ReportMetric(requests/spent[i].Seconds(), c.name+"/s")
			b.ReportMetric(100*spent[0].Seconds()/spent[i].Seconds(), c.name+"-%-of-"+contenders[0].name)
		}
	}
}

// BenchmarkBesideV3 is v2 through each member, one of which is the sequencer,
// beside v3 through the first: 100 clients who write, and one who reads.
func BenchmarkBesideV3(b *testing.B) {
	for _, size := range []int{1, 3} {
		members := start(b, size)
		client, web := members[0].connect(b), newWeb()
		defer web.CloseIdleConnections()
		writers := []contender{{"v3", func(ctx context.Context, key string) error {
			_, err := client.Put(ctx, key, "value")
			return err
		}}}
		readers := []contender{{"v3", func(ctx context.Context, key string) error {
			_, err := client.Get(ctx, key)
			return err
		}}}
		for _, m := range members {
			writers = append(writers, contender{m.name, func(ctx context.Context, key string) error {
				return put(ctx, web, m, key, "value")
			}})
			get := func(query string) func(context.Context, string) error {
				return func(ctx context.Context, key string) error {
					_, err := ask(ctx, web, http.MethodGet, m.client()+"/v2/keys/"+key+query, nil)
					return err
				}
			}
			readers = append(readers, contender{m.name, get("")}, contender{m.name + "-quorum", get("?quorum=true")})
		}
		b.Run(fmt.Sprintf("writes/members=%d", size), func(b *testing.B) { race(b, 100, 20, writers) })
		b.Run(fmt.Sprintf("reads/members=%d", size), func(b *testing.B) { race(b, 1, 200, readers) })
		for _, m := range members {
			m.kill()
		}
	}
}
