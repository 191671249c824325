package httpapi

import (
	"context"
	"net/http"
	"sync"

	"argosy/core/access"
)

// guests are the requests under way of those who showed a certificate. Whose
// certificate is revoked, or whose role is taken away, is not let finish.
type guests struct {
	mu   sync.Mutex
	here map[*guest]struct{}
}

type guest struct {
	who  access.Identity
	verb access.Verb
	end  context.CancelCauseFunc
}

// welcome notes that a request is under way; leave must be called at its end.
func (a *API) welcome(r *http.Request, by access.Caller, verb access.Verb) (under *http.Request, leave func()) {
	if by.Who.Kind == "" {
		return r, func() {} // by file permission, which nobody takes back from an open socket
	}
	ctx, end := context.WithCancelCause(r.Context())
	g := &guest{by.Who, verb, end}
	a.guests.mu.Lock()
	defer a.guests.mu.Unlock()
	a.guests.here[g] = struct{}{}
	a.judge(g) // the register may have changed since the caller was judged
	return r.WithContext(ctx), func() {
		a.guests.mu.Lock()
		defer a.guests.mu.Unlock()
		delete(a.guests.here, g)
		end(nil)
	}
}

// watchGuests ends the requests of those who may not go on, at each change of the
// register, until ctx ends.
func (a *API) watchGuests(ctx context.Context) {
	if a.config.Access == nil {
		return
	}
	for {
		_, changed, _ := a.config.Access.Register()
		a.judgeGuests()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (a *API) judgeGuests() {
	a.guests.mu.Lock()
	defer a.guests.mu.Unlock()
	for g := range a.guests.here {
		a.judge(g)
	}
}

// judge ends a guest's request if its certificate is revoked, or if it reads and may
// not any more. A change is judged at its beginning: it is short.
func (a *API) judge(g *guest) {
	by, err := a.holder(g.who)
	if err == nil && g.verb == access.Read {
		err = access.May(by, g.verb, "")
	}
	if err != nil {
		g.end(err)
	}
}
