package daemon

import (
	"context"
	"crypto/tls"

	"argosy/core/api"
	"argosy/edge/client"
)

// peers asks other machines, with this machine's certificate.
type peers struct{ secrets *tls.Config }

func (p peers) Claim(ctx context.Context, at string, by api.Identity) (api.Identity, error) {
	c, err := client.New(client.Config{Endpoints: []string{"https://" + at}, TLS: p.secrets})
	if err != nil {
		return api.Identity{}, err
	}
	defer c.Close()
	return c.Claim(ctx, by)
}
