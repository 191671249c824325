package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strconv"

	"argosy/core/access"
)

// subject is how a certificate says who holds it.
func subject(who access.Identity) pkix.Name {
	name := pkix.Name{OrganizationalUnit: []string{string(who.Kind)}, CommonName: who.Name}
	if who.Generation > 0 {
		name.SerialNumber = strconv.FormatUint(who.Generation, 10)
	}
	return name
}

// IdentityOf reads who holds a certificate. That the cluster's authority signed it
// has been checked before, as every TLS configuration of this package does.
func IdentityOf(certificate *x509.Certificate) (access.Identity, error) {
	name := certificate.Subject
	if len(name.OrganizationalUnit) != 1 {
		return access.Identity{}, errors.New("read who holds a certificate: it has not one organizational unit (OU), which says whether it is a member's, worker's, local programs' or a person's")
	}
	who, err := access.Parse(name.OrganizationalUnit[0], name.CommonName, name.SerialNumber)
	if err != nil {
		return access.Identity{}, fmt.Errorf("read who holds a certificate: %w", err)
	}
	return who, nil
}
