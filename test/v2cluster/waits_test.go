//go:build store

package v2cluster

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// many is how many wait on one member at once.
const many = 10_000

// waits is what many who wait on one member cost it.
type waits struct {
	idle, waiting int64         // memory with as many idle connections, and with the waits
	told          time.Duration // from the first of 100 writes until all who waited were told
	processor     time.Duration // of the member, in that time
}

func wait(t testing.TB, member *member) (cost waits) {
	t.Helper()
	callers := make([]*caller, many)
	each(func(i int) {
		callers[i] = &caller{t: t, member: member}
		callers[i].dial()
		callers[i].ask("/v2/keys/ready", true)
	})
	cost.idle = member.memory(t)
	each(func(i int) {
		callers[i].ask(fmt.Sprintf("/v2/keys/flood/%d?wait=true&stream=%v", i%100, i%2 == 0), false)
	})
	cost.waiting = member.memory(t)
	spent := member.processor(t)
	web := newWeb()
	defer web.CloseIdleConnections()
	begun := time.Now()
	var told sync.WaitGroup
	for i := range 100 {
		if err := put(t.Context(), web, member, fmt.Sprintf("flood/%d", i), "now"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range callers {
		told.Go(c.hear)
	}
	told.Wait()
	cost.told, cost.processor = time.Since(begun), member.processor(t)-spent
	for _, c := range callers {
		_ = c.connection.Close()
	}
	return cost
}

// TestTenThousandWait: each is told of one write, and costs little beyond its
// connection.
func TestTenThousandWait(t *testing.T) {
	allow(t, many+500)
	cost := wait(t, start(t, 1)[0])
	if each := (cost.waiting - cost.idle) / many; each > 32<<10 {
		t.Errorf("a wait takes %d bytes beyond its connection", each)
	}
}

// BenchmarkTenThousandWaits is what they cost.
func BenchmarkTenThousandWaits(b *testing.B) {
	allow(b, many+500)
	var all waits
	for b.Loop() {
		member := start(b, 1)[0]
		cost := wait(b, member)
		member.kill()
		all.idle, all.waiting = all.idle+cost.idle, all.waiting+cost.waiting
		all.told, all.processor = all.told+cost.told, all.processor+cost.processor
	}
	n := float64(b.N)
	b.ReportMetric(float64(all.idle)/n/(1<<20), "MiB-idle")
	b.ReportMetric(float64(all.waiting)/n/(1<<20), "MiB-waiting")
	b.ReportMetric(all.told.Seconds()*1e3/n, "ms-until-told")
	b.ReportMetric(all.processor.Seconds()*1e3/n, "ms-of-processor")
}

// allow makes this process, and those that it starts, have so many files.
func allow(t testing.TB, files uint64) {
	t.Helper()
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil && limit.Cur < files {
		limit.Cur = limit.Max
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil || limit.Cur < files {
		t.Fatalf("this needs %d open files; %d are allowed (%v): ulimit -Hn %d", files, limit.Cur, err, files)
	}
}

// each does something for every waiter, some at a time.
func each(do func(i int)) {
	var doing sync.WaitGroup
	for worker := range 50 {
		doing.Go(func() {
			for i := worker; i < many; i += 50 {
				do(i)
			}
		})
	}
	doing.Wait()
}

// caller is one connection, held as cheaply as can be.
type caller struct {
	t          testing.TB
	member     *member
	connection net.Conn
	answer     *bufio.Reader
}

func (c *caller) dial() {
	connection, err := net.Dial("tcp", c.member.host+":2379")
	if err != nil {
		c.t.Error(err)
		return
	}
	c.connection, c.answer = connection, bufio.NewReaderSize(connection, 512)
	c.t.Cleanup(func() { _ = connection.Close() })
}

// ask reads the answer's head, and its body if it has an end.
func (c *caller) ask(target string, whole bool) {
	if c.connection == nil {
		return
	}
	fmt.Fprintf(c.connection, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, c.member.host)
	response, err := http.ReadResponse(c.answer, nil)
	if err != nil || response.StatusCode != http.StatusOK {
		c.t.Errorf("GET %s: %v %v", target, response, err)
		return
	}
	if whole {
		_ = response.Body.Close() // it reads to the end
	}
}

// hear reads the event that is waited for: a chunk's length and the chunk.
func (c *caller) hear() {
	_ = c.connection.SetReadDeadline(time.Now().Add(patience))
	length, err := c.answer.ReadString('\n')
	if err == nil {
		length, err = c.answer.ReadString('\n')
	}
	if err != nil || !strings.HasPrefix(length, `{"action":"set"`) {
		c.t.Errorf("told %q: %v", length, err)
	}
}

// memory is what the member's process holds.
func (m *member) memory(t testing.TB) int64 {
	t.Helper()
	fields := strings.Fields(m.proc(t, "statm"))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// processor is the time that the member's process has run.
func (m *member) processor(t testing.TB) time.Duration {
	t.Helper()
	_, after, _ := strings.Cut(m.proc(t, "stat"), ") ")
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // proc(5): in USER_HZ, which is 100
}

func (m *member) proc(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", m.process.Process.Pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
