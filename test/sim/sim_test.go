package sim

import (
	"bufio"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	theSeed = flag.Uint64("seed", 0, "run this seed alone, with all that the daemons log")
	size    = flag.String("size", string(Small), "of the cluster of -seed: small or large")
	first   = flag.Uint64("first", 1, "the first of the seeds")
	small   = flag.Int("small", 100, "how many clusters of 3 to 15 machines")
	large   = flag.Int("large", 0, "how many clusters of 2,000 machines")
	survey  = flag.Bool("survey", false, "go on after a failure, and show little of each")
	soak    = flag.Bool("soak", false, "go on with small clusters until something is broken")
)

// TestSeed runs -seed, or else the seeds that failed once.
func TestSeed(t *testing.T) {
	if *theSeed != 0 {
		w := New(*theSeed, Size(*size))
		w.Log = slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})
		if err := w.Run(); err != nil {
			t.Error(err)
		}
		return
	}
	for _, known := range failedOnce(t) {
		if err := New(known.seed, known.size).Run(); err != nil {
			t.Errorf("%s\n%s", reproduce(known.seed, known.size), err)
		}
	}
}

// known is a line of testdata/seeds.txt.
type known struct {
	seed uint64
	size Size
}

func failedOnce(t *testing.T) (seeds []known) {
	file, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var k known
		if _, err := fmt.Sscan(line, &k.seed, &k.size); err != nil {
			t.Fatalf("testdata/seeds.txt: %q: expected a seed, a size and a sentence", line)
		}
		seeds = append(seeds, k)
	}
	return seeds
}

// TestSmall runs clusters of 3 to 15 machines, one seed after another.
func TestSmall(t *testing.T) {
	if *soak {
		*small = 1 << 62
	}
	many(t, Small, *small)
}

// TestLarge runs clusters of 2,000 machines.
func TestLarge(t *testing.T) { many(t, Large, *large) }

// many runs seeds on all cores until one fails.
func many(t *testing.T, size Size, count int) {
	var next atomic.Uint64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= uint64(count) {
					return
				}
				if err := New(*first+n, size).Run(); err != nil {
					failed.Store(!*survey)
					if *survey {
						t.Errorf("%.400s", err)
						continue
					}
					t.Errorf("%s\n%s", reproduce(*first+n, size), err)
				}
				if (n+1)%10000 == 0 {
					t.Logf("%d seeds have passed", n+1)
				}
			}
		})
	}
	workers.Wait()
}

// reproduce says how to see a failure again.
func reproduce(seed uint64, size Size) string {
	commit, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return fmt.Sprintf("commit %s: go test ./test/sim -run TestSeed -seed %d -size %s", strings.TrimSpace(string(commit)), seed, size)
}

// TestSameSeedSameTrace runs seeds twice and compares all that has happened. In the
// last of them machines probe each other.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(21); seed <= 40; seed++ {
		var sums [2]uint64
		for i := range sums {
			w := New(seed, Small)
			w.trace.whole = true
			if err := w.Run(); err != nil {
				t.Error(err)
			}
			sums[i] = w.trace.sum
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
