package authority

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLook meets a server while its authority is replaced: what it shows counts, not
// what its files will say.
func TestLook(t *testing.T) {
	f := member(t, time.Hour)
	config, err := LoadServer(f.BundleFile(), f.CertificateFile(MachineName), f.KeyFile(MachineName))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = config
	server.StartTLS()
	defer server.Close()
	at := "https://" + net.JoinHostPort("127.0.0.1", portOf(server))

	next, key, err := f.Begin()
	if err != nil {
		t.Fatal(err)
	}
	former, err := Alone(next.Bundle, next.Former)
	if err != nil {
		t.Fatal(err)
	}
	turned, err := Turn(next.Bundle, next.Newest)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := Alone(next.Bundle, next.Newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ name, takes, trusts, by string }{
		{"before", "", "former", next.Former},
		{"both are trusted", next.Bundle, "both", next.Former},
		{"the new one signs", turned, "both", next.Newest},
		{"the new one is alone", newest, "newest", next.Newest},
	} {
		if step.takes != "" {
			take(t, f, f, step.takes, key)
		}
		port, err := f.Look(t.Context(), MachineName, http.MethodGet, at, next.Bundle)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if by, err := port.Signer(next.Bundle); err != nil || by != step.by {
			t.Errorf("%s: its certificate is of %s, %v", step.name, by, err)
		}
		for name, bundle := range map[string]string{"former": former, "both": next.Bundle, "newest": newest} {
			if trusts, err := port.Trusts(bundle); err != nil || trusts != (name == step.trusts) {
				t.Errorf("%s: that it trusts %s alone is %t, %v", step.name, name, trusts, err)
			}
		}
	}
	if _, err := f.Look(t.Context(), MachineName, http.MethodGet, at, former); err == nil || !strings.HasPrefix(err.Error(), "look who is at "+at+": ") || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server of an authority that is not expected: %v", err)
	}
	if _, err := (Port{}).Trusts("waste"); err == nil {
		t.Error("waste is no bundle")
	}
}

func portOf(server *httptest.Server) string {
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return port
}

// TestThePeersAuthorityIsReplaced beside the cluster's, which stays as it is.
func TestThePeersAuthorityIsReplaced(t *testing.T) {
	f := member(t, time.Hour)
	cluster, err := f.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	next, key, err := f.BeginPeers()
	if err != nil {
		t.Fatal(err)
	}
	turned, alone := bundles(t, next)
	for _, step := range []struct {
		name, bundle, by string
		trusted          int
	}{
		{"both are trusted", next.Bundle, next.Former, 2}, {"the new one signs", turned, next.Newest, 2}, {"the new one is alone", alone, next.Newest, 1},
	} {
		for done := false; !done; {
			if done, _, err = f.TakeUpPeers([]byte(step.bundle), key); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			due, _, err := f.Due(time.Now(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range due {
				if name != PeerName {
					t.Errorf("%s: the certificate %s is renewed", step.name, name)
				}
				if err := f.RenewOwn(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		held, err := f.Held(PeerName)
		if err != nil || held.By != step.by {
			t.Errorf("%s: the peers' certificate is of %s, %v", step.name, held.By, err)
		}
		if all, err := f.PeerAuthorities(); err != nil || len(all) != step.trusted {
			t.Errorf("%s: %d are trusted, %v", step.name, len(all), err)
		}
	}
	if now, err := f.Bundle(); err != nil || now != cluster {
		t.Errorf("the cluster's authority was changed, %v", err)
	}
	if all, err := Folder(t.TempDir()).PeerAuthorities(); err != nil || all != nil {
		t.Errorf("a machine that is no member: %v, %v", all, err)
	}
}
