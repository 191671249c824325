// Package probe asks other machines' kernels whether they run: it sends ICMP echoes
// (RFC 792, RFC 4443) and tells who has answered. A kernel answers while every
// process on its machine is stopped, and is silent when the machine is. What an
// answer or its absence means is decided elsewhere.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// secretBytes tell our echoes from those of others, and keep a machine that sees
	// none of them from answering for another.
	secretBytes = 16
	// largest answer that is read; ours are far smaller.
	largest = 512
	// faultsInRow are borne: an interface that goes down has each reader told so.
	faultsInRow = 100
)

// Socket sends echoes and receives answers, one socket for each family of addresses
// that the machine has. It is safe for use by many.
type Socket struct {
	v4, v6 *family // nil where the machine has none
	secret []byte
	number atomic.Uint32
}

// family is IPv4's or IPv6's echo.
type family struct {
	conn     *icmp.PacketConn
	datagram bool // the kernel's own ping socket, see icmp(7)
	id       int  // the kernel chooses it for a ping socket
	protocol int
	request  icmp.Type
	reply    icmp.Type
}

// Open opens what the machine has of the two families. It needs no privilege where
// net.ipv4.ping_group_range has the process's group, as systemd sets it, and else
// CAP_NET_RAW.
func Open() (*Socket, error) {
	s := &Socket{secret: make([]byte, secretBytes)}
	_, _ = rand.Read(s.secret) // it never fails
	var no4, no6 error
	if s.v4, no4 = open("udp4", "ip4:icmp", "0.0.0.0"); no4 == nil {
		s.v4.protocol, s.v4.request, s.v4.reply = 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	}
	if s.v6, no6 = open("udp6", "ip6:ipv6-icmp", "::"); no6 == nil {
		s.v6.protocol, s.v6.request, s.v6.reply = 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	if s.v4 == nil && s.v6 == nil {
		return nil, fmt.Errorf("open a socket for echoes: %w", errors.Join(no4, no6))
	}
	for _, f := range s.families() {
		f.id = int(s.secret[0])<<8 | int(s.secret[1])
		f.leaveOutOthers()
	}
	return s, nil
}

func open(datagram, raw, at string) (*family, error) {
	if conn, err := icmp.ListenPacket(datagram, at); err == nil {
		return &family{conn: conn, datagram: true}, nil
	}
	conn, err := icmp.ListenPacket(raw, at)
	if err != nil {
		return nil, err
	}
	return &family{conn: conn}, nil
}

// leaveOutOthers spares a raw socket the copies of every other ICMP message. Where
// the kernel knows no such filter they are read and passed over.
func (f *family) leaveOutOthers() {
	switch {
	case f.datagram:
	case f.request == ipv4.ICMPTypeEcho:
		var filter ipv4.ICMPFilter
		filter.SetAll(true)
		filter.Accept(ipv4.ICMPTypeEchoReply)
		_ = f.conn.IPv4PacketConn().SetICMPFilter(&filter)
	default:
		var filter ipv6.ICMPFilter
		filter.SetAll(true)
		filter.Accept(ipv6.ICMPTypeEchoReply)
		_ = f.conn.IPv6PacketConn().SetICMPFilter(&filter)
	}
}

func (s *Socket) families() []*family {
	var all []*family
	for _, f := range []*family{s.v4, s.v6} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// Send sends one echo to an IP address. That it was sent says nothing of its arrival.
func (s *Socket) Send(address string) error {
	to, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("send an echo: %w", err)
	}
	f := s.v4
	if to = to.Unmap(); to.Is6() {
		f = s.v6
	}
	if f == nil {
		return fmt.Errorf("send an echo to %s: this machine has no address of that family", address)
	}
	number := int(s.number.Add(1) & 0xffff)
	echo := icmp.Message{Type: f.request, Body: &icmp.Echo{ID: f.id, Seq: number, Data: s.secret}}
	packet, err := echo.Marshal(nil)
	if err == nil {
		_, err = f.conn.WriteTo(packet, f.address(to))
	}
	if err != nil {
		return fmt.Errorf("send an echo to %s: %w", address, err)
	}
	return nil
}

func (f *family) address(to netip.Addr) net.Addr {
	if f.datagram {
		return &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	}
	return &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
}

// Follow tells of each answer the address that it came from, until ctx ends. heard is
// called by up to two goroutines; while it waits, the kernel drops what it cannot hold.
func (s *Socket) Follow(ctx context.Context, heard func(address string)) error {
	defer context.AfterFunc(ctx, func() {
		for _, f := range s.families() {
			_ = f.conn.SetReadDeadline(time.Unix(1, 0)) // ends the read
		}
	})()
	var readers sync.WaitGroup
	faults := make([]error, 2)
	for i, f := range s.families() {
		readers.Go(func() { faults[i] = s.read(ctx, f, heard) })
	}
	readers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(faults...)
}

func (s *Socket) read(ctx context.Context, f *family, heard func(address string)) error {
	buffer := make([]byte, largest)
	for faults := 0; ; {
		n, from, err := f.conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if faults++; faults == faultsInRow || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("read answers to echoes: %w", err)
			}
			continue
		}
		faults = 0
		if s.isAnswer(f, buffer[:n]) {
			heard(host(from))
		}
	}
}

// isAnswer says whether a packet answers an echo of this socket.
func (s *Socket) isAnswer(f *family, packet []byte) bool {
	message, err := icmp.ParseMessage(f.protocol, packet)
	if err != nil || message.Type != f.reply {
		return false
	}
	echo, is := message.Body.(*icmp.Echo)
	return is && bytes.Equal(echo.Data, s.secret)
}

func host(from net.Addr) string {
	switch a := from.(type) {
	case *net.UDPAddr:
		return text(a.IP, a.Zone)
	case *net.IPAddr:
		return text(a.IP, a.Zone)
	}
	return from.String()
}

func text(ip net.IP, zone string) string {
	address, _ := netip.AddrFromSlice(ip)
	return address.Unmap().WithZone(zone).String()
}

// Close closes the sockets.
func (s *Socket) Close() error {
	var faults []error
	for _, f := range s.families() {
		faults = append(faults, f.conn.Close())
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("close the socket for echoes: %w", err)
	}
	return nil
}
