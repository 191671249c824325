package httpapi

import (
	"context"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/signing"
)

// Policies says what is asked of units before they are started. role/registry has one.
type Policies interface {
	Policy(ctx context.Context) (signing.Policy, error)
	SetPolicy(ctx context.Context, by access.Caller, change api.PolicyChange) (api.PolicyWritten, error)
}

func (a *API) policy(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	policy, err := a.config.Policies.Policy(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, policy)
}

func (a *API) setPolicy(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	var change api.PolicyChange
	if err := parseBody(body, &change, `expected {"keys": ["ssh-ed25519 AAAA... NAME"], "digests": true}`); err != nil {
		return 0, nil, err
	}
	written, err := a.config.Policies.SetPolicy(r.Context(), by, change)
	return http.StatusOK, written, err
}
