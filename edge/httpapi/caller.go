package httpapi

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"argosy/core/api"
)

// caller is who sent a request.
type caller struct {
	name string
	// vouched says that a machine has passed the request on for name.
	vouched bool
}

// maxByBytes limits what is recorded of who asked.
const maxByBytes = 256

type peerKey struct{}

// withPeer notes the user at the other end of a unix socket, once a connection.
// The kernel vouches for it, see SO_PEERCRED in unix(7). Of who is at the other
// end of an open connection no more is known than that it is on this machine.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if _, is := conn.(openConn); is {
		return context.WithValue(ctx, peerKey{}, "unknown")
	}
	unix, is := conn.(*net.UnixConn)
	if !is {
		return ctx
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *syscall.Ucred
	controlled := raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if controlled != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, userName(peer.Uid))
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// caller tells who asks: the user on this machine, the name in a certificate,
// or whom a machine vouches for.
func (a *API) caller(r *http.Request) (caller, error) {
	claimed := r.Header.Get(api.ByHeader)
	if name, local := r.Context().Value(peerKey{}).(string); local {
		if claimed != "" {
			return caller{}, notVouched()
		}
		return caller{name: fmt.Sprintf("user %s on %s", name, a.config.Host)}, nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return caller{}, &api.Error{
			Code: http.StatusUnauthorized, Message: "who asks is not known",
			Hint: "use the socket on the machine, HTTPS with a certificate of the cluster, or a loopback address that fleet.socket listens on",
		}
	}
	certificate := r.TLS.PeerCertificates[0]
	switch {
	case claimed == "":
		return caller{name: certificate.Subject.CommonName}, nil
	case !ofMachine(certificate):
		return caller{}, notVouched()
	case !printable(claimed, maxByBytes):
		return caller{}, api.Invalid(api.ByHeader+" is not a line of at most 256 printable bytes", "send the name of who asks, in one line")
	}
	return caller{name: claimed, vouched: true}, nil
}

// ofMachine tells a machine's certificate, which serves as well as it asks,
// from an operator's.
func ofMachine(c *x509.Certificate) bool {
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
}

func notVouched() error {
	return &api.Error{
		Code: http.StatusForbidden, Message: "only a machine of the cluster may send " + api.ByHeader,
		Hint: "leave it out: the certificate or the socket tells who asks",
	}
}

// printable says that s is one line of at most limit bytes.
func printable(s string, limit int) bool {
	return len(s) <= limit && strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
}
