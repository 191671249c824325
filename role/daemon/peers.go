package daemon

import (
	"context"
	"crypto/tls"

	"argosy/core/api"
	"argosy/edge/authority"
	"argosy/edge/client"
)

// peers asks other machines, with this machine's certificate.
type peers struct{ secrets *tls.Config }

// Claim asks the machine that says it has the same id: it must have that id's
// certificate, wherever it is.
func (p peers) Claim(ctx context.Context, at string, by api.Identity) (api.Identity, error) {
	c, err := client.New(client.Config{Endpoints: []string{"https://" + at}, TLS: authority.ByMachine(p.secrets, by.Machine)})
	if err != nil {
		return api.Identity{}, err
	}
	defer c.Close()
	return c.Claim(ctx, by)
}
