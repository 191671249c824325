package fleetv1_test

import (
	"fmt"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
)

// TestNoSignaturesHere: fleet's API carries none, so that a text that it brings is
// refused where one is asked for; what is stored with one it starts.
func TestNoSignaturesHere(t *testing.T) {
	run(t, func(b *bench) {
		alice := signingtest.New("alice")
		if _, err := b.store.PutPolicy(b.Context(), signing.Policy{Keys: []signing.Key{alice.Key()}}); err != nil {
			b.Fatal(err)
		}
		why := "is not signed; trusted: " + alice.Key().Called() + "; fleet's own API carries no signatures"
		b.want(403, "web.service "+why, "PUT", "/fleet/v1/units/web.service", fmt.Sprintf(sleeper, "launched"))
		b.want(404, "unit does not exist", "GET", "/fleet/v1/units/web.service", "")

		text := sleeperText
		signed := api.UnitChange{Text: &text, Signatures: alice.Sign("web.service", text), Desired: cluster.Inactive}
		if _, err := b.registry.SetUnit(b.Context(), access.Caller{}, "web.service", signed); err != nil {
			b.Fatal(err)
		}
		b.want(204, "", "PUT", "/fleet/v1/units/web.service", fmt.Sprintf(sleeper, "launched"))
		b.want(204, "", "PUT", "/fleet/v1/units/web.service", `{"desiredState":"loaded"}`)
		b.want(403, "web.service "+why, "PUT", "/fleet/v1/units/web.service",
			`{"desiredState":"launched","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/other"}]}`)
	})
}
