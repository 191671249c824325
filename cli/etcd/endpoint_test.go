package etcd

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"argosy/edge/host"
)

// TestMembersAreReadAgain: a relay that is told to goes on with the members that the
// file adds, and stays as it was where the file makes no sense.
func TestMembersAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "members")
	given := endpointFlags{members: []string{"https://10.0.0.1:2379"}, membersFile: file}
	if now, err := given.known(); err != nil || !slices.Equal(now, []string{"10.0.0.1:2379"}) {
		t.Errorf("without a file: %q, %v", now, err)
	}
	again, updates := make(chan os.Signal), make(chan []string)
	var faults bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() {
		given.follow(ctx, again, updates, &faults)
		close(ended)
	}()
	if err := host.WriteMembers(file, []string{"https://10.0.0.2:2379"}); err != nil {
		t.Fatal(err)
	}
	again <- os.Interrupt
	if now := <-updates; !slices.Equal(now, []string{"10.0.0.1:2379", "10.0.0.2:2379"}) {
		t.Errorf("the members are %q", now)
	}
	if err := host.WriteMembers(file, []string{"waste"}); err != nil {
		t.Fatal(err)
	}
	again <- os.Interrupt
	again <- os.Interrupt // taken when the first is done with
	stop()
	<-ended
	if !strings.Contains(faults.String(), "the members stay as they were: ") {
		t.Errorf("told %q", faults.String())
	}
}
