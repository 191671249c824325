package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// PeopleStore is where people's accounts are kept.
type PeopleStore interface {
	Register(ctx context.Context) (access.Register, error)
	PutAccount(ctx context.Context, a access.Account, done ...access.Entry) (access.Account, error)
	DeleteAccount(ctx context.Context, name string, revision int64, done ...access.Entry) error
	Revoke(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error)
}

// TokenStore is where the tokens are kept by which people log in.
type TokenStore interface {
	Tokens(ctx context.Context) ([]access.Token, error)
	PutToken(ctx context.Context, token access.Token, done ...access.Entry) error
	DeleteToken(ctx context.Context, id string, done ...access.Entry) error
}

// Door says where people log in (HOST:PORT), and the hash of the authority that they
// know the cluster by.
type Door func() (at, authority string, err error)

// People is the part of the API's mind that says who may do what. It asks the store
// each time: what this member knows may be of a moment ago.
type People struct {
	Store  PeopleStore
	Tokens TokenStore
	Door   Door
}

// People lists all who may use the cluster.
func (p People) People(ctx context.Context) (api.People, error) {
	register, err := p.Store.Register(ctx)
	if err != nil {
		return api.People{}, err
	}
	answer := api.People{People: []api.Person{}}
	for _, name := range slices.Sorted(maps.Keys(register.Accounts)) {
		a := register.Accounts[name]
		answer.People = append(answer.People, api.Person{
			Name: name, Role: a.Role, Units: a.Units, By: a.By, At: a.At, Revoked: register.Revoked[access.Subject{Person: name}].At,
		})
	}
	return answer, nil
}

// SetPerson says what a person may do from now on.
func (p People) SetPerson(ctx context.Context, by access.Caller, name string, change api.PersonChange) (api.PersonWritten, error) {
	next := access.Account{Name: name, Role: change.Role, Units: change.Units, By: by.Account.Name}
	if err := next.Check(); err != nil {
		return api.PersonWritten{}, api.Invalid(strings.ReplaceAll(err.Error(), "\n", "; "), "")
	}
	for range attempts {
		register, err := p.Store.Register(ctx)
		if err != nil {
			return api.PersonWritten{}, err
		}
		now, there := register.Accounts[name]
		written := api.PersonWritten{Name: name, Generation: register.Revoked[access.Subject{Person: name}].Least}
		switch {
		case there && change.New:
			return api.PersonWritten{}, &api.Error{
				Code: http.StatusConflict, Message: fmt.Sprintf("%s is there already: %s", name, describe(now)),
				Hint: fmt.Sprintf("argosy user role %s ROLE, or argosy user token %s", name, name),
			}
		case !there && !change.New:
			return api.PersonWritten{}, noPerson(name)
		case there && now.Role == next.Role && slices.Equal(now.Units, next.Units):
			return written, nil
		}
		next.Revision, next.At, written.Changed = now.Revision, time.Now().UTC(), true
		_, err = p.Store.PutAccount(ctx, next, by.Entry(access.Govern, "set person "+name, describe(next), next.At))
		if !errors.Is(err, cluster.ErrConflict) {
			return written, err
		}
	}
	return api.PersonWritten{}, fmt.Errorf("set person %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}

// describe is an account in words.
func describe(a access.Account) string {
	if len(a.Units) == 0 {
		return string(a.Role)
	}
	return fmt.Sprintf("%s of units called %s", a.Role, strings.Join(a.Units, ", "))
}

func noPerson(name string) error {
	return &api.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("there is nobody called %s", name), Hint: fmt.Sprintf("argosy user add %s", name)}
}

// person is an account that is there.
func (p People) person(ctx context.Context, name string) (access.Account, error) {
	if err := access.CheckPersonName(name); err != nil {
		return access.Account{}, api.Invalid(err.Error(), "")
	}
	register, err := p.Store.Register(ctx)
	if err != nil {
		return access.Account{}, err
	}
	a, there := register.Accounts[name]
	if !there {
		return a, noPerson(name)
	}
	return a, nil
}

// Invite makes a token by which a person gets a certificate, once.
func (p People) Invite(ctx context.Context, by access.Caller, name string, request api.InvitationRequest) (api.Invitation, error) {
	life, err := request.Life()
	if err != nil {
		return api.Invitation{}, err
	}
	at, authority, err := p.Door()
	if err != nil {
		return api.Invitation{}, fmt.Errorf("invite %s: %w", name, err)
	}
	if _, err := p.person(ctx, name); err != nil {
		return api.Invitation{}, err
	}
	secret, now := rand.Text(), time.Now().UTC()
	token := access.Token{
		ID: strings.ToLower(rand.Text()[:10]), Hash: access.HashSecret(secret), Kind: access.Person, Name: name, Uses: 1,
		By: by.Account.Name, At: now, Expires: now.Add(life),
	}
	if err := p.Tokens.PutToken(ctx, token, by.Entry(access.Govern, "invite person "+name, "token "+token.ID+" until "+token.Expires.Format(time.RFC3339), now)); err != nil {
		return api.Invitation{}, err
	}
	return api.Invitation{Name: name, Token: token.ID + "." + secret, Expires: token.Expires, Member: at, Authority: authority}, nil
}

// RevokePerson has all certificates refused that a person has, and their tokens end.
func (p People) RevokePerson(ctx context.Context, by access.Caller, name string) (api.PersonWritten, error) {
	if _, err := p.person(ctx, name); err != nil {
		return api.PersonWritten{}, err
	}
	return p.revoke(ctx, by, name)
}

// revoke ends the tokens first: one that is redeemed meanwhile gives a certificate
// that is revoked then.
func (p People) revoke(ctx context.Context, by access.Caller, name string) (api.PersonWritten, error) {
	tokens, err := p.Tokens.Tokens(ctx)
	if err != nil {
		return api.PersonWritten{}, err
	}
	for _, token := range tokens {
		if token.Kind != access.Person || token.Name != name {
			continue
		}
		err := p.Tokens.DeleteToken(ctx, token.ID, by.Entry(access.Govern, "end token "+token.ID, "of person "+name, time.Now()))
		if err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return api.PersonWritten{}, err
		}
	}
	now := time.Now().UTC()
	revoked, err := p.Store.Revoke(ctx, access.Subject{Person: name}, by.Account.Name, now, by.Entry(access.Govern, "revoke person "+name, "", now))
	return api.PersonWritten{Name: name, Changed: err == nil, Generation: revoked.Least}, err
}

// RemovePerson ends an account and revokes its certificates, so that whoever is
// called so later is not taken for them.
func (p People) RemovePerson(ctx context.Context, by access.Caller, name string) (api.PersonWritten, error) {
	for range attempts {
		a, err := p.person(ctx, name)
		if err != nil {
			return api.PersonWritten{}, err
		}
		written, err := p.revoke(ctx, by, name)
		if err != nil {
			return api.PersonWritten{}, err
		}
		err = p.Store.DeleteAccount(ctx, name, a.Revision, by.Entry(access.Govern, "remove person "+name, describe(a), time.Now()))
		if !errors.Is(err, cluster.ErrConflict) {
			return written, err
		}
	}
	return api.PersonWritten{}, fmt.Errorf("remove person %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}
