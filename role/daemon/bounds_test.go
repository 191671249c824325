package daemon

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
)

// A machine that opens connections without end gets its share and no more; another one
// and the members get in meanwhile, and it is said once. (Seen to fail: unbounded.)
func TestOneMachineLeavesRoom(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log recorder
	p := &parts{log: slog.New(slog.NewTextHandler(&log, nil))}
	p.nearBy([]string{"https://127.0.0.9:2379", "https://a-name:2379", "https://[::1]:2379"})
	bounded := p.bounded(raw)
	accepted := make(chan net.Conn, 2*apiOfOne)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for made, err := bounded.Accept(); err == nil; made, err = bounded.Accept() {
			accepted <- made
		}
	}()
	t.Cleanup(func() {
		_ = bounded.Close()
		<-ended
		close(accepted)
		for made := range accepted {
			_ = made.Close()
		}
	})
	from := func(address string) net.Conn {
		made, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		return made
	}
	for range apiOfOne {
		from("127.0.0.1")
	}
	for range 2 {
		if _, err := from("127.0.0.1").Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("beyond its share: %v", err)
		}
	}
	from("127.0.0.2")
	from("127.0.0.9")
	for range apiOfOne + 2 {
		<-accepted
	}
	if n := strings.Count(log.String(), "too many connections"); n != 1 || !strings.Contains(log.String(), "from=127.0.0.1:") {
		t.Errorf("the log has it %d times: %s", n, log.String())
	}
	for address, is := range map[string]bool{"127.0.0.9": true, "::1": true, "127.0.0.1": false} {
		made := net.ParseIP(address)
		if at, ok := (&net.TCPAddr{IP: made}).AddrPort().Addr().Unmap(), made != nil; !ok || p.isMember(at) != is {
			t.Errorf("%s is a member's: %v", address, !is)
		}
	}
}
