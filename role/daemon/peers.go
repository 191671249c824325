package daemon

import (
	"context"
	"crypto/tls"
	"fmt"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/client"
)

// peers asks other machines, with this machine's certificate.
type peers struct{ secrets *tls.Config }

// Claim asks the machine that says it has the same id: it must have that id's
// certificate, wherever it is.
func (p peers) Claim(ctx context.Context, at string, by api.Identity) (api.Identity, error) {
	c, err := client.New(client.Config{Endpoints: []string{"https://" + at}, TLS: shownBy(p.secrets, by.Machine)})
	if err != nil {
		return api.Identity{}, err
	}
	defer c.Close()
	return c.Claim(ctx, by)
}

// shownBy refuses a server that is not the machine, beside one that the authority
// does not know.
func shownBy(secrets *tls.Config, id cluster.MachineID) *tls.Config {
	config := secrets.Clone()
	others := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		who, err := authority.IdentityOf(state.PeerCertificates[0])
		switch {
		case err != nil:
			return err
		case !who.IsMachine() || who.Machine() != id:
			return fmt.Errorf("its certificate is that of %s, not of machine %s", who, id)
		case others != nil:
			return others(state)
		}
		return nil
	}
	return config
}
