package probe

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// ask sends echoes to an address until it answers.
func ask(t *testing.T, s *Socket, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answers := make(chan string, 16)
	done := make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, func(from string) {
			select {
			case answers <- from:
			default:
			}
		})
	}()
	if err := s.Send(address); err != nil {
		t.Fatal(err)
	}
	select {
	case from := <-answers:
		if from != address {
			t.Errorf("%s was asked and %s answers", address, from)
		}
	case <-ctx.Done():
		t.Errorf("%s does not answer", address)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v, want its context's end", err)
	}
}

func TestOwnKernelAnswers(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s, "127.0.0.1")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Send("127.0.0.1"); err == nil {
		t.Error("a closed socket sends")
	}
}

func TestSendToNoAddress(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for address, want := range map[string]string{
		"": "unable to parse IP", "core-01": `send an echo: ParseAddr("core-01"): unable to parse IP`, "10.0.0.1:7": "unexpected character",
	} {
		if err := s.Send(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}

// FuzzIsAnswer: no packet breaks the reader, and none without the secret counts.
func FuzzIsAnswer(f *testing.F) {
	s := &Socket{secret: []byte("0123456789abcdef")}
	family := &family{protocol: 1, request: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply}
	for _, data := range []string{string(s.secret), "", "0123456789abcdeX", string(s.secret) + "more"} {
		packet, err := (&icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 1, Seq: 2, Data: []byte(data)}}).Marshal(nil)
		if err != nil {
			f.Fatal(err)
		}
		if got := s.isAnswer(family, packet); got != (data == string(s.secret)) {
			f.Errorf("an answer with %q counts: %v", data, got)
		}
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if s.isAnswer(family, packet) && (packet[0] != 0 || !strings.Contains(string(packet), string(s.secret))) {
			t.Errorf("%q counts as an answer", packet)
		}
	})
}
