package authority

import (
	"testing"
	"time"
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
