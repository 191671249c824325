//go:build store

package discovery

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkTokens is how many the service makes for ten who ask at once.
func BenchmarkTokens(b *testing.B) {
	w := newWorld(b)
	_, url := w.service()
	const clients, each = 10, 20
	for b.Loop() {
		var asking sync.WaitGroup
		for range clients {
			asking.Go(func() {
				for range each {
					if _, err := get(url + "/new?size=3"); err != nil {
						b.Error(err)
					}
				}
			})
		}
		asking.Wait()
	}
	b.ReportMetric(float64(b.N*clients*each)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkFindEachOther is from the start of so many machines with one token until
// the last of them knows the cluster. Those beyond three start when it has formed, and
// are its proxies.
func BenchmarkFindEachOther(b *testing.B) {
	for _, size := range []int{1, 3, 5} {
		b.Run(fmt.Sprintf("machines=%d", size), func(b *testing.B) {
			w := newWorld(b)
			_, url := w.service()
			members := []int{1, 2, 3}[:min(size, 3)]
			for b.Loop() {
				b.StopTimer()
				w.dir = b.TempDir()
				token := w.token(url, len(members))
				b.StartTimer()
				var machines []*process
				for n := 1; n <= size; n++ {
					machines = append(machines, w.start(fmt.Sprintf("machine %d", n), "etcd", w.machine(n, "--discovery", token)...))
					if n == len(members) {
						w.members(n, members...)
					}
				}
				for n := 1; n <= size; n++ {
					w.members(n, members...)
				}
				b.StopTimer()
				for _, m := range machines {
					m.kill()
				}
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms-until-formed")
		})
	}
}
