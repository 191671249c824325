//go:build store

package v2cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWritesGoOnWithoutAnyMember freezes, and then kills, each member in turn, so
// that the sequencer's and the leader of etcd are among them, and writes through
// the others at once. How long each write took is logged. What a frozen member was
// asked, and finds undone when it goes on, does not undo what others did meanwhile.
func TestWritesGoOnWithoutAnyMember(t *testing.T) {
	members := start(t, 3)
	web := newWeb()
	defer web.CloseIdleConnections()
	kept := 0
	for _, how := range []string{"frozen", "killed"} {
		for i, lost := range members {
			asked := make(chan error, 1)
			if how == "frozen" {
				_ = lost.process.Process.Signal(syscall.SIGSTOP)
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				defer cancel()
				go func() { asked <- put(ctx, web, lost, "frozen", "old") }()
			} else {
				lost.kill()
				asked <- nil
			}
			for _, m := range []*member{members[(i+1)%3], members[(i+2)%3]} {
				begun := time.Now()
				if err := put(t.Context(), web, m, fmt.Sprintf("kept/%d", kept), "yes"); err != nil {
					t.Errorf("write through %s while %s is %s: %v", m.name, lost.name, how, err)
				}
				kept++
				t.Logf("%s %s: a write through %s took %v", lost.name, how, m.name, time.Since(begun).Round(time.Millisecond))
			}
			if how == "frozen" {
				_ = lost.process.Process.Signal(syscall.SIGCONT)
			} else {
				lost.start(t)
			}
			if err := <-asked; err != nil && !strings.Contains(err.Error(), `"errorCode":300,`) {
				t.Errorf("what %s was asked while frozen: %v", lost.name, err)
			}
			lost.await(t)
		}
	}
	for _, m := range members {
		text, err := ask(t.Context(), web, http.MethodGet, m.client()+"/v2/keys/kept?quorum=true", nil)
		if found := strings.Count(string(text), `"value":"yes"`); err != nil || found != kept {
			t.Errorf("%s knows %d of %d writes: %v", m.name, found, kept, err)
		}
	}
}
