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

// TestTenThousandWait: each is told of one write. What they cost is logged: the
// member's memory with as many idle connections, with the waits, after them.
func TestTenThousandWait(t *testing.T) {
	allow(t, many+500)
	member := start(t, 1)[0]
	waiting := make([]*caller, many)
	each(func(i int) {
		waiting[i] = &caller{t: t, member: member}
		waiting[i].dial()
		waiting[i].ask("/v2/keys/ready", true)
	})
	idle := member.memory(t)
	each(func(i int) {
		waiting[i].ask(fmt.Sprintf("/v2/keys/flood/%d?wait=true&stream=%v", i%100, i%2 == 0), false)
	})
	waits := member.memory(t)
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
	for _, c := range waiting {
		told.Go(c.hear)
	}
	told.Wait()
	t.Logf("%d idle connections: %d MiB; waiting: %d MiB; 100 writes told to all in %v with %v of processor",
		many, idle>>20, waits>>20, time.Since(begun).Round(time.Millisecond), member.processor(t)-spent)
	if each := (waits - idle) / many; each > 32<<10 {
		t.Errorf("a wait takes %d bytes beyond its connection", each)
	}
}

// allow makes this process, and those that it starts, have so many files.
func allow(t *testing.T, files uint64) {
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
	t          *testing.T
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
func (m *member) memory(t *testing.T) int64 {
	t.Helper()
	fields := strings.Fields(m.proc(t, "statm"))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// processor is the time that the member's process has run.
func (m *member) processor(t *testing.T) time.Duration {
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

func (m *member) proc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", m.process.Process.Pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
