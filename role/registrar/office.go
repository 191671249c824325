// Package registrar sees to certificates: a member's office gives them to those who
// may have one, and every machine's keeper renews its own before they end.
package registrar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Register is what the store says of who may have a certificate.
type Register interface {
	Tokens(ctx context.Context) ([]access.Token, error)
	Redeem(ctx context.Context, claim access.Claim, done ...access.Entry) (access.Token, error)
	Revocation(ctx context.Context, subject access.Subject) (access.Revocation, error)
	Machines(ctx context.Context) ([]cluster.Machine, error)
}

// Membership is the store's own: who its members are.
type Membership interface {
	Members(ctx context.Context) (clientURLs []string, err error)
	// Add has the store expect a member.
	Add(ctx context.Context, name, peerURL string) (id uint64, initialCluster string, err error)
	Remove(ctx context.Context, id uint64) error
}

// Desk signs with the authorities' keys.
type Desk interface {
	Sign(request string, grant access.Grant) (certificate string, err error)
	SignPeer(request string, grant access.Grant) (certificate string, err error)
	Bundle() (string, error)
	Keys() (access.Membership, error)
	Proven(renewal access.Renewal) (access.Held, error)
}

// Office decides who gets a certificate. It is safe for use by several.
type Office struct {
	Register Register
	Members  Membership
	Desk     Desk
	Now      func() time.Time
	Log      *slog.Logger
	// Refused is told who was refused what, and why; may be nil.
	Refused func(from, asked, why string)
}

// refused marks an error as the last word.
func refused(err error) error { return fmt.Errorf("%w: %w", access.ErrRefused, err) }

// Admit gives certificates for a token. What can be refused is refused before the
// token is used; a new member is expected by the store only after that is sure.
func (o *Office) Admit(ctx context.Context, wish access.Wish, from string) (access.Answer, error) {
	answer, id, err := o.admit(ctx, wish, from)
	if err != nil {
		o.Log.Warn("somebody was not let in", "kind", wish.Kind, "name", wish.Name, "token", id, "from", from, "because", err)
		o.tell(from, fmt.Sprintf("join as %s %s with token %s", wish.Kind, wish.Name, id), err)
		return access.Answer{}, err
	}
	o.Log.Info("somebody has joined", "kind", wish.Kind, "name", wish.Name, "host", wish.Host, "token", id, "from", from)
	return answer, nil
}

// tell has a refusal recorded. That the store could not say is none.
func (o *Office) tell(from, asked string, why error) {
	if o.Refused != nil && (errors.Is(why, access.ErrRefused) || errors.Is(why, access.ErrTokenRefused)) {
		o.Refused(from, asked, why.Error())
	}
}

func (o *Office) admit(ctx context.Context, wish access.Wish, from string) (answer access.Answer, id string, err error) {
	if err := wish.Check(); err != nil {
		return answer, "", refused(err)
	}
	id, secret, err := access.ParseSecret(wish.Token)
	if err != nil {
		return answer, "", err
	}
	claim := access.Claim{ID: id, Secret: secret, Kind: wish.Kind, Name: wish.Name, At: o.Now()}
	if err := o.wouldAccept(ctx, claim); err != nil {
		return answer, id, err
	}
	if wish.Kind == access.Person {
		answer, err = o.enter(ctx, wish, claim, from)
		return answer, id, err
	}
	others, err := o.Register.Machines(ctx)
	if err != nil {
		return answer, id, err
	}
	if err := wish.Collides(others); err != nil {
		return answer, id, refused(err)
	}
	if wish.Kind == access.Member {
		answer, err = o.enterMember(ctx, wish, claim, from)
	} else {
		answer, err = o.enter(ctx, wish, claim, from)
	}
	return answer, id, err
}

// wouldAccept refuses a claim that the token would refuse, and uses nothing.
func (o *Office) wouldAccept(ctx context.Context, claim access.Claim) error {
	tokens, err := o.Register.Tokens(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tokens, func(t access.Token) bool { return t.ID == claim.ID })
	if i < 0 {
		return access.ErrUnknownToken
	}
	_, err = tokens[i].Accept(claim)
	return err
}

// enterMember has the store expect the machine, as one that counts for nothing yet.
func (o *Office) enterMember(ctx context.Context, wish access.Wish, claim access.Claim, from string) (access.Answer, error) {
	id, initial, err := o.Members.Add(ctx, wish.Host, "https://"+net.JoinHostPort(wish.Addresses[0], access.PeerPort))
	if errors.Is(err, cluster.ErrConflict) {
		return access.Answer{}, refused(err)
	}
	if err != nil {
		return access.Answer{}, err
	}
	answer, err := o.enter(ctx, wish, claim, from)
	if err != nil {
		return answer, errors.Join(err, o.Members.Remove(context.WithoutCancel(ctx), id))
	}
	answer.Membership.ID, answer.Membership.InitialCluster = id, initial
	return answer, nil
}

// enter signs first and uses the token then, so that a fault costs no use. Nobody
// sees what was signed before that.
func (o *Office) enter(ctx context.Context, wish access.Wish, claim access.Claim, from string) (access.Answer, error) {
	revoked, err := o.Register.Revocation(ctx, access.Identity{Kind: wish.Kind, Name: wish.Name}.Subject())
	if err != nil {
		return access.Answer{}, err
	}
	answer, err := o.sign(wish, revoked.Least)
	if err != nil {
		return access.Answer{}, refused(err)
	}
	if answer.Members, err = o.Members.Members(ctx); err != nil {
		return access.Answer{}, err
	}
	if _, err := o.Register.Redeem(ctx, claim, joined(wish, claim, revoked.Least, from)); err != nil {
		return access.Answer{}, err
	}
	return answer, nil
}

// joined is, for the audit, that somebody got certificates for a token.
func joined(wish access.Wish, claim access.Claim, generation uint64, from string) access.Entry {
	who := access.Identity{Kind: wish.Kind, Name: wish.Name, Generation: generation}
	by := access.Caller{Account: access.Account{Name: who.By()}, From: from}
	note := fmt.Sprintf("token %s, generation %d", claim.ID, generation)
	if wish.Host != "" {
		note += ", host " + wish.Host
	}
	return by.Entry(access.Govern, "join", note, claim.At)
}

func (o *Office) sign(wish access.Wish, generation uint64) (answer access.Answer, err error) {
	if answer.Bundle, err = o.Desk.Bundle(); err != nil {
		return answer, err
	}
	who := access.Identity{Kind: wish.Kind, Name: wish.Name, Generation: generation}
	grant := access.Grant{Who: who, Hosts: wish.Hosts(), Life: wish.Kind.Life()}
	if answer.Certificates.Own, err = o.Desk.Sign(wish.Requests.Own, grant); err != nil || wish.Kind == access.Person {
		return answer, err
	}
	who.Kind = access.Local
	if answer.Certificates.Local, err = o.Desk.Sign(wish.Requests.Local, access.Grant{Who: who, Life: access.MachineLife}); err != nil || wish.Kind == access.Worker {
		return answer, err
	}
	keys, err := o.Desk.Keys()
	if err != nil {
		return answer, err
	}
	answer.Membership = &keys
	answer.Certificates.Peer, err = o.Desk.SignPeer(wish.Requests.Peer, grant)
	return answer, err
}

// Renew gives a certificate in place of one that ends, or has ended, to who has its
// key.
func (o *Office) Renew(ctx context.Context, renewal access.Renewal, from string) (access.Answer, error) {
	answer, held, err := o.renew(ctx, renewal)
	if err != nil {
		o.Log.Warn("a certificate was not renewed", "of", held.Who, "from", from, "because", err)
		o.tell(from, "renew the certificate of "+held.Who.String(), err)
		return access.Answer{}, err
	}
	o.Log.Info("a certificate was renewed", "of", held.Who, "until", held.Until, "from", from)
	return answer, nil
}

func (o *Office) renew(ctx context.Context, renewal access.Renewal) (answer access.Answer, held access.Held, err error) {
	if held, err = o.Desk.Proven(renewal); err != nil {
		return answer, held, refused(err)
	}
	revoked, err := o.Register.Revocation(ctx, held.Who.Subject())
	if err != nil {
		return answer, held, err
	}
	grant, err := revoked.MayHave(held, o.Now())
	if err != nil {
		return answer, held, refused(err)
	}
	if answer.Bundle, err = o.Desk.Bundle(); err != nil {
		return answer, held, err
	}
	answer.Certificates.Own, err = o.Desk.Sign(renewal.Request, grant)
	return answer, held, err
}
