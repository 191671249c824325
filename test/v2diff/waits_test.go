//go:build store

package v2diff

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// open is a wait that both sides have begun.
type open struct {
	question question
	number   int
	theirs   *tail
	ours     *tail
}

// tail is what comes of an answer that stays open, line by line.
type tail struct {
	response *http.Response
	lines    chan string // closed at the end of the answer
	reading  sync.WaitGroup
}

func follow(response *http.Response) *tail {
	t := &tail{response: response, lines: make(chan string, 1000)}
	t.reading.Go(func() {
		defer close(t.lines)
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			t.lines <- lines.Text()
		}
	})
	return t
}

// until reads lines up to and with the one that is the last.
func (t *tail) until(last func(line string) bool) ([]string, error) {
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	var lines []string
	for {
		select {
		case line, more := <-t.lines:
			if !more {
				return lines, fmt.Errorf("the answer ended after %d events", len(lines))
			}
			lines = append(lines, line)
			if last(line) {
				return lines, nil
			}
		case <-limit.C:
			return lines, fmt.Errorf("no more within 10 s after %d events", len(lines))
		}
	}
}

// close hangs up and returns the lines that nobody has read.
func (t *tail) close() []string {
	_ = t.response.Body.Close()
	t.reading.Wait()
	var rest []string
	for line := range t.lines {
		rest = append(rest, line)
	}
	return rest
}

// settle ends the waits of a round, whose tree is empty by now: it writes each
// key that is waited for, the last time with a value that is found again, and
// compares what both sides told until then.
func (r *run) settle(t *testing.T) {
	for _, wait := range r.open {
		marker := "end of " + strconv.Itoa(wait.number)
		r.provoke(t, wait, marker)
		if message := wait.compare(marker); message != "" {
			t.Fatalf("%s\nrequest %d: %s\n%s", r.where(), wait.number, wait.question, message)
		}
	}
	r.open = nil
}

// provoke writes the key that is waited for, or one below the root, often
// enough for the index to pass what is waited for.
func (r *run) provoke(t *testing.T, wait open, marker string) {
	path, _, _ := strings.Cut(wait.question.target, "?")
	if path == "/v2/keys/" {
		path += "end"
	}
	for _, value := range []string{"1", "2", "3", "4", marker} {
		r.ask(t, question{method: "PUT", target: path + "?value=" + url.QueryEscape(value)})
	}
	r.clear(t)
}

func (w open) compare(marker string) string {
	defer w.ours.close()
	defer w.theirs.close()
	query, _ := url.Parse(w.question.target)
	if query.Path == "/v2/keys/" && !truth(query.Query().Get("recursive")) {
		// The root itself never changes: there is nothing to wait for.
		return same(w.theirs.close(), w.ours.close())
	}
	begun, _ := strconv.ParseUint(w.ours.response.Header.Get("X-Etcd-Index"), 10, 64)
	last := func(line string) bool {
		return !truth(query.Query().Get("stream")) || strings.Contains(line, marker) || indexOf(line) <= begun
	}
	ours, err := w.ours.until(last)
	if err != nil {
		return fmt.Sprintf("ours: %v\n%s", err, strings.Join(ours, "\n"))
	}
	theirs, err := w.theirs.until(last)
	if err != nil {
		return fmt.Sprintf("etcd: %v\n%s\nwe told\n%s", err, strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
	}
	if !truth(query.Query().Get("stream")) {
		ours, theirs = append(ours, w.ours.close()...), append(theirs, w.theirs.close()...)
	}
	return same(theirs, ours)
}

func same(theirs, ours []string) string {
	a, b := timeless([]byte(strings.Join(theirs, "\n"))), timeless([]byte(strings.Join(ours, "\n")))
	if string(a) != string(b) {
		return fmt.Sprintf("etcd told\n%s\nwe told\n%s", a, b)
	}
	return ""
}

func truth(value string) bool {
	is, err := strconv.ParseBool(value)
	return err == nil && is
}

// told is what the test itself needs to know of an answer.
type told struct {
	ErrorCode int `json:"errorCode"`
	Node      struct {
		Key           string `json:"key"`
		ModifiedIndex uint64 `json:"modifiedIndex"`
	} `json:"node"`
}

func indexOf(line string) uint64 {
	var event told
	if json.Unmarshal([]byte(line), &event) != nil {
		return 0
	}
	return event.Node.ModifiedIndex
}
