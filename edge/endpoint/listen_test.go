package endpoint

import (
	"fmt"
	"net"
	"testing"
)

func TestNeighbours(t *testing.T) {
	var networks []*net.IPNet
	for _, text := range []string{"127.0.0.1/8", "10.0.0.7/24", "10.88.0.1/16"} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		networks = append(networks, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	for _, c := range []struct {
		what       string
		here, from string
		let        bool
	}{
		{"a program of the machine", "127.0.0.1", "127.0.0.1", true},
		{"one at another loopback address", "127.0.0.9", "127.0.0.1", true},
		{"a container, at its bridge", "10.88.0.1", "10.88.3.4", true},
		{"the machine itself, at the bridge", "10.88.0.1", "10.88.0.1", true},
		{"another machine, at the bridge", "10.88.0.1", "10.0.0.8", false},
		{"another machine, at the machine's address", "10.0.0.7", "10.0.0.8", true},
		{"a container, at the machine's address", "10.0.0.7", "10.88.3.4", false},
		{"anybody, at an address that is not there", "10.89.0.1", "10.0.0.8", false},
	} {
		here, from := &net.TCPAddr{IP: net.ParseIP(c.here)}, &net.TCPAddr{IP: net.ParseIP(c.from)}
		if let := isNeighbour(here, from, networks); let != c.let {
			t.Errorf("%s is let in: %t", c.what, let)
		}
	}
	if !isNeighbour(&net.UnixAddr{}, &net.UnixAddr{}, nil) {
		t.Error("who comes through the socket is not let in")
	}
}

// TestListensWhereNoAddressIsYet: a bridge comes with the first container.
func TestListensWhereNoAddressIsYet(t *testing.T) {
	listeners, err := Listen(t.Context(), []string{"192.0.2.1:0"}) // RFC 5737: nobody's
	if err != nil {
		t.Fatal(err)
	}
	if err := closeAll(listeners); err != nil {
		t.Error(err)
	}
	if _, err := Listen(t.Context(), []string{"127.0.0.1:0", "nonsense"}); err == nil || fmt.Sprint(err) != "listen at nonsense: listen tcp: address nonsense: missing port in address" {
		t.Error(err)
	}
}
