package authority

import (
	"crypto/tls"
	"fmt"

	"argosy/core/access"
	"argosy/core/cluster"
)

// ByMember refuses a server that is no member, beside one that the authority does not
// know: no other machine of the cluster is to hear what a member is asked, also not at
// a member's address.
func ByMember(config *tls.Config) *tls.Config {
	return shownBy(config, "a member", func(who access.Identity) bool { return who.Kind == access.Member })
}

// ByMachine refuses a server that is not that machine, beside one that the authority
// does not know.
func ByMachine(config *tls.Config, id cluster.MachineID) *tls.Config {
	return shownBy(config, "machine "+string(id), func(who access.Identity) bool { return who.IsMachine() && who.Machine() == id })
}

func shownBy(config *tls.Config, expected string, is func(access.Identity) bool) *tls.Config {
	config = config.Clone()
	before := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		who, err := IdentityOf(state.PeerCertificates[0])
		switch {
		case err != nil:
			return err
		case !is(who):
			return fmt.Errorf("its certificate is that of %s, not of %s", who, expected)
		case before != nil:
			return before(state)
		}
		return nil
	}
	return config
}
