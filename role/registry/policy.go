package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

// permitted refuses a unit that no machine would start. Each machine judges again for
// itself: here it is only told early.
func (r *Registry) permitted(ctx context.Context, unit cluster.UnitName, content string) error {
	policy, err := r.store.Policy(ctx)
	if err != nil || !policy.Asks() {
		return err
	}
	bundle, err := unitfile.ReadBundle(content)
	if err != nil {
		return err
	}
	return policy.Permits(unit, bundle)
}

// nearer says that a unit is to come onto a machine, or to be started there, also
// once more. What only ends is nobody's to refuse.
func nearer(before, after cluster.Desired) bool {
	return after == cluster.Launched || after == cluster.Loaded && before == cluster.Inactive
}

// PolicyStore is where it is kept what is asked of units before they are started.
type PolicyStore interface {
	Policy(ctx context.Context) (signing.Policy, error)
	PutPolicy(ctx context.Context, p signing.Policy, done ...access.Entry) (signing.Policy, error)
}

// Policies is the part of the API's mind that says what may be started.
type Policies struct{ Store PolicyStore }

// Policy is what is asked of units now.
func (p Policies) Policy(ctx context.Context) (signing.Policy, error) { return p.Store.Policy(ctx) }

// SetPolicy says what is asked of units from now on. What runs is not touched.
func (p Policies) SetPolicy(ctx context.Context, by access.Caller, change api.PolicyChange) (api.PolicyWritten, error) {
	next := signing.Policy{Keys: change.Keys, Digests: change.Digests, By: by.Account.Name}
	if err := next.Check(); err != nil {
		return api.PolicyWritten{}, api.Invalid(err.Error(), "")
	}
	for range attempts {
		now, err := p.Store.Policy(ctx)
		if err != nil || now.Same(next) {
			return api.PolicyWritten{}, err
		}
		next.Revision, next.At = now.Revision, time.Now().UTC()
		_, err = p.Store.PutPolicy(ctx, next, by.Entry(access.Govern, "set policy", policyNote(next), next.At))
		if !errors.Is(err, cluster.ErrConflict) {
			return api.PolicyWritten{Changed: err == nil}, err
		}
	}
	return api.PolicyWritten{}, fmt.Errorf("set the policy: lost to others %d times: %w", attempts, cluster.ErrConflict)
}

// policyNote says, for the audit, what is asked.
func policyNote(p signing.Policy) string {
	var asked []string
	if p.Digests {
		asked = append(asked, "images by digest")
	}
	for _, key := range p.Keys {
		asked = append(asked, "signed by "+key.Called())
	}
	if len(asked) == 0 {
		return "nothing is asked"
	}
	return strings.Join(asked, ", ")
}
