package authority

import (
	"testing"
	"time"

	"argosy/core/access"
)

// Files in PEM come from other machines and from people's disks.
func FuzzPEM(f *testing.F) {
	_, key, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	signer, err := parseKey(key)
	if err != nil {
		f.Fatal(err)
	}
	certificate, err := sign(selfSigned(time.Now()), nil, signer.Public(), signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add(certificate)
	f.Add(append(certificate, certificate...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if all, err := parseCertificates(text); err == nil {
			if len(all) == 0 {
				t.Error("no certificate, and no error")
			}
			for _, one := range all {
				_, _ = IdentityOf(one)
			}
		}
		if signer, err := parseKey(text); (err == nil) == (signer == nil) {
			t.Errorf("%v, %v", signer, err)
		}
	})
}

// Certificates and requests for them come from strangers, to the port for those who
// join, and answers from whoever says to be a member.
func FuzzPapers(f *testing.F) {
	key, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	asked, err := NewRequest(key)
	if err != nil {
		f.Fatal(err)
	}
	a, err := Create(f.TempDir() + "/pki")
	if err != nil {
		f.Fatal(err)
	}
	worker := access.Identity{Kind: access.Worker, Name: "0123456789abcdef0123456789abcdef"}
	certificate, err := a.Sign(asked, access.Grant{Who: worker, Hosts: []string{"core-01"}, Life: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	bundle := string(a.Bundle())
	f.Add(string(asked), string(certificate), bundle)
	f.Add(string(certificate), string(asked), "")
	f.Add("", bundle, bundle+bundle)
	wish := access.Wish{Kind: worker.Kind, Name: worker.Name}
	f.Fuzz(func(t *testing.T, request, certificate, bundle string) {
		// Nothing is signed here: that takes chance, which a fuzzer follows for ever.
		if key, err := proven([]byte(request)); err == nil && !same(key, key) {
			t.Errorf("%q is proven for %T", request, key)
		}
		pins, err := Pins([]byte(bundle))
		if err != nil {
			return
		}
		wish.Requests = access.Papers{Own: request, Local: request}
		answer := access.Answer{Bundle: bundle, Certificates: access.Papers{Own: certificate, Local: certificate}}
		if Verify(wish, answer, pins[0]) == nil {
			t.Error("one certificate is taken for a worker's and for its local programs'")
		}
	})
}
