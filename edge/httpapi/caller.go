package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"argosy/core/access"
	"argosy/core/api"
)

// Access knows who may do what. role/registry is one.
type Access interface {
	// Register is what the store says, and is closed behind it once that has
	// changed. It is an error where nothing is known yet.
	Register() (known access.Register, changed <-chan struct{}, err error)
}

const (
	maxByBytes     = 256     // of who asked, as it is recorded
	maxVouchBytes  = 8 << 10 // of ByHeader
	overSocket     = "socket"
	noCertificates = "who asks is not known"
)

type peerKey struct{}

// peer is who is at the other end of a connection that shows no certificate.
type peer struct {
	user string
	open bool // a loopback port: anybody on this machine
}

// withPeer notes the user at the other end of a unix socket, once a connection.
// The kernel vouches for it, see SO_PEERCRED in unix(7). Of who is at the other
// end of an open connection no more is known than that it is on this machine.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if _, is := conn.(openConn); is {
		return context.WithValue(ctx, peerKey{}, peer{"unknown", true})
	}
	if bounded, is := conn.(interface{ NetConn() net.Conn }); is {
		conn = bounded.NetConn()
	}
	unix, is := conn.(*net.UnixConn)
	if !is {
		return ctx
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return ctx
	}
	var credentials *syscall.Ucred
	controlled := raw.Control(func(fd uintptr) {
		credentials, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if controlled != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer{user: userName(credentials.Uid)})
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// caller tells who asks, and what they may do: the user on this machine, who holds
// a certificate, or whom a member vouches for.
func (a *API) caller(r *http.Request) (access.Caller, error) {
	claimed := r.Header.Get(api.ByHeader)
	if at, local := r.Context().Value(peerKey{}).(peer); local {
		if claimed != "" {
			return access.Caller{}, notVouched()
		}
		return a.onThisMachine(at), nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return access.Caller{}, &api.Error{
			Code: http.StatusUnauthorized, Message: noCertificates,
			Hint: "use the socket on the machine, HTTPS with a certificate of the cluster, or a loopback address that fleet.socket listens on",
		}
	}
	who, err := a.config.IdentityOf(r.TLS.PeerCertificates[0])
	if err != nil {
		return access.Caller{}, &api.Error{Code: http.StatusForbidden, Message: err.Error(), Hint: "use a certificate that the cluster's authority issued"}
	}
	by, err := a.holder(who)
	from, _, bad := net.SplitHostPort(r.RemoteAddr)
	if by.From = from; bad != nil {
		by.From = r.RemoteAddr
	}
	switch {
	case err != nil:
		return by, err // for the audit
	case claimed == "":
		return by, nil
	case who.Kind != access.Member:
		return access.Caller{}, notVouched()
	}
	return vouchedFor(claimed, by)
}

// onThisMachine is who reaches the unix socket, which the file's mode decides, or an
// open port, which everybody on the machine can. On a member the first is the
// cluster's admin; a machine that is none shows its own users what is its own.
func (a *API) onThisMachine(at peer) access.Caller {
	by := access.Caller{From: overSocket, Account: access.Account{
		Name: fmt.Sprintf("user %s on %s", at.user, a.config.Host), Role: access.Admin,
	}}
	if at.open {
		by.From = "127.0.0.1"
	}
	if at.open || a.config.Registry == nil {
		by.Account.Role = access.Viewer
	}
	return by
}

// holder is what the holder of a certificate may do, as the store says it now. A
// machine that is no member does not know: it trusts members, and lets others in
// for nothing but Look.
func (a *API) holder(who access.Identity) (access.Caller, error) {
	by := access.Caller{Who: who, Account: access.Account{Name: who.By()}}
	var known access.Register
	if a.config.Access != nil {
		var err error
		if known, _, err = a.config.Access.Register(); err != nil {
			return by, fmt.Errorf("look up what %s may do: %w", who, err)
		}
		if known.Refuses(who) {
			return by, revoked(who)
		}
	}
	switch who.Kind {
	case access.Member:
		by.Account.Role = access.Admin
	case access.Person:
		by.Account = known.Accounts[who.Name]
		by.Account.Name = who.Name
	case access.Worker, access.Local: // a machine's own affairs need no role
	}
	return by, nil
}

func revoked(who access.Identity) error {
	e := &access.Refused{Message: "the certificate of " + who.String() + " is revoked", Hint: "an admin can give another one: argosy user token " + who.Name}
	if who.Kind != access.Person {
		e.Hint = "join the machine again"
	}
	return e
}

func notVouched() error {
	return &api.Error{
		Code: http.StatusForbidden, Message: "only a member of the cluster may send " + api.ByHeader,
		Hint: "leave it out: the certificate or the socket tells who asks",
	}
}

// vouch is what ByHeader carries, in JSON.
type vouch struct {
	Name  string      `json:"name"`
	Role  access.Role `json:"role"`
	Units []string    `json:"units,omitempty"`
	From  string      `json:"from"`
}

// vouching tells another machine for whom this one asks.
func vouching(by access.Caller) (string, error) {
	text, err := json.Marshal(vouch{by.Account.Name, by.Account.Role, by.Account.Units, by.From})
	return string(text), err
}

// vouchedFor is for whom a member asks.
func vouchedFor(claimed string, member access.Caller) (access.Caller, error) {
	bad := func(what string) (access.Caller, error) {
		return access.Caller{}, api.Invalid(api.ByHeader+" "+what, `members send {"name": "...", "role": "viewer", "from": "..."}`)
	}
	var v vouch
	if len(claimed) > maxVouchBytes {
		return bad(fmt.Sprintf("is longer than %d bytes", maxVouchBytes))
	}
	if err := json.Unmarshal([]byte(claimed), &v); err != nil {
		return bad("is not as expected: " + err.Error())
	}
	if v.Name == "" || !printable(v.Name, maxByBytes) || !printable(v.From, maxByBytes) {
		return bad("has a name or an address that is not a line of at most 256 printable bytes")
	}
	if _, err := access.ParseRole(string(v.Role)); err != nil {
		return bad("has no role: " + err.Error())
	}
	by := member
	by.Account = access.Account{Name: v.Name, Role: v.Role, Units: v.Units}
	by.From, by.Via = v.From, member.Who.Name
	return by, nil
}

// printable says that s is one line of at most limit bytes.
func printable(s string, limit int) bool {
	return len(s) <= limit && strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
}
