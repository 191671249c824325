package registry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
	"argosy/core/unitfile"
	"argosy/edge/memstore"
)

var alice, bob = signingtest.New("alice"), signingtest.New("bob")

// trusts sets a policy, as an admin does.
func trusts(ctx context.Context, t *testing.T, s *memstore.Store, change api.PolicyChange) {
	t.Helper()
	if _, err := (Policies{s}).SetPolicy(ctx, called("root"), change); err != nil {
		t.Fatal(err)
	}
}

func signedBy(who signingtest.Signer, file string, desired cluster.Desired) api.UnitChange {
	return api.UnitChange{Text: ptr(text), Signatures: who.Sign(file, text), Desired: desired}
}

// TestUnsignedIsNotStored: what no machine would start is refused with what to do, and
// nothing of it is stored; what only ends is let through.
func TestUnsignedIsNotStored(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, "old.service", ptr(text), cluster.Launched)
		idle := r.mustSet(ctx, t, "idle.service", ptr(text), cluster.Inactive)
		trusts(ctx, t, s, api.PolicyChange{Keys: []signing.Key{alice.Key()}})
		writes := s.Writes()
		trusted := "; trusted: " + alice.Key().Called()
		for what, c := range map[string]struct {
			unit   cluster.UnitName
			change api.UnitChange
			want   string
		}{
			"new":               {"web.service", api.UnitChange{Text: ptr(text), Desired: cluster.Inactive}, "web.service is not signed" + trusted},
			"by another":        {"web.service", signedBy(bob, "web.service", cluster.Launched), "web.service is signed by " + bob.Key().Fingerprint() + ", which is not trusted" + trusted},
			"a drop-in":         {"web.service", withDropIn(signedBy(alice, "web.service", cluster.Launched)), "web.service.d/a.conf is not signed" + trusted},
			"a new text":        {"old.service", api.UnitChange{Text: ptr(text + "#\n"), Desired: cluster.Launched}, "old.service is not signed" + trusted},
			"a start":           {"idle.service", api.UnitChange{Desired: cluster.Launched}, "idle.service is not signed" + trusted},
			"a load":            {"idle.service", api.UnitChange{Desired: cluster.Loaded}, "idle.service is not signed" + trusted},
			"started once more": {"old.service", api.UnitChange{Desired: cluster.Launched, Supersede: 2}, "old.service is not signed" + trusted},
		} {
			_, err := r.SetUnit(ctx, called("oscar"), c.unit, c.change)
			var refused *access.Refused
			if !errors.As(err, &refused) || refused.Message != c.want || !strings.HasPrefix(refused.Hint, "sign it, 'fleetctl sign --key FILE "+string(c.unit)) {
				t.Errorf("%s:\n got %v\nwant %s", what, err, c.want)
			}
			if e := api.AsError(err); e.Code != 403 || e.Hint == "" {
				t.Errorf("%s is answered %+v", what, e)
			}
		}
		if s.Writes() != writes {
			t.Errorf("%d writes for what was refused", s.Writes()-writes)
		}
		for _, c := range []struct {
			unit    cluster.UnitName
			desired cluster.Desired
		}{{"old.service", cluster.Loaded}, {"old.service", cluster.Inactive}} {
			r.mustSet(ctx, t, c.unit, nil, c.desired)
		}
		if _, err := r.Destroy(ctx, called("oscar"), idle.Name); err != nil {
			t.Error(err)
		}
	})
}

func withDropIn(change api.UnitChange) api.UnitChange {
	change.DropIns = append(change.DropIns, dropIn)
	return change
}

// TestSignedIsStored: what is signed is stored with its signatures, and told with them.
func TestSignedIsStored(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		trusts(ctx, t, s, api.PolicyChange{Keys: []signing.Key{alice.Key()}})
		template := signedBy(alice, "web@.service", cluster.Inactive)
		instance := withDropIn(signedBy(alice, "web@.service", cluster.Launched))
		instance.Signatures += alice.Sign("web@1.service.d/a.conf", dropIn.Text)
		for unit, change := range map[cluster.UnitName]api.UnitChange{"web@.service": template, "web@1.service": instance} {
			written, err := r.SetUnit(ctx, called("oscar"), unit, change)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := r.Unit(ctx, written.Revision, unit)
			if err != nil || answer.Unit.Signatures != change.Signatures || answer.Unit.Text != text {
				t.Errorf("%s: %+v, %v", unit, answer.Unit, err)
			}
		}
		r.mustSet(ctx, t, "web@1.service", nil, cluster.Loaded)
		r.mustSet(ctx, t, "web@1.service", nil, cluster.Launched)

		trusts(ctx, t, s, api.PolicyChange{Keys: []signing.Key{bob.Key()}})
		r.mustSet(ctx, t, "web@1.service", nil, cluster.Loaded)
		if _, err := r.SetUnit(ctx, called("oscar"), "web@1.service", api.UnitChange{Desired: cluster.Launched}); err == nil {
			t.Error("started by a key that was taken away")
		}
		trusts(ctx, t, s, api.PolicyChange{})
		r.mustSet(ctx, t, "web@1.service", nil, cluster.Launched)
	})
}

// TestBadSignaturesAreInvalid: whatever the policy says.
func TestBadSignaturesAreInvalid(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		for what, c := range map[string]struct {
			change api.UnitChange
			want   string
		}{
			"of another text": {api.UnitChange{Text: ptr(text), Signatures: alice.Sign("web.service", "x"), Desired: cluster.Inactive}, "web.service: its signature by " + alice.Key().Fingerprint() + " is of another text; sign it again, or take the signature away"},
			"of another unit": {signedBy(alice, "db.service", cluster.Inactive), `web.service: there is a signature of "db.service", which is none of its files`},
			"none":            {api.UnitChange{Text: ptr(text), Signatures: "x", Desired: cluster.Inactive}, `web.service: "x" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
			"without a text":  {api.UnitChange{Signatures: alice.Sign("web.service", text), Desired: cluster.Inactive}, "unit web.service: there are drop-ins or signatures and no text"},
		} {
			_, err := r.SetUnit(ctx, called("oscar"), "web.service", c.change)
			if e := api.AsError(err); err == nil || e.Code != 400 || e.Message != c.want {
				t.Errorf("%s:\n got %v\nwant %s", what, err, c.want)
			}
		}
		if s.Writes() != 0 {
			t.Errorf("%d writes", s.Writes())
		}
	})
}

// TestPolicyIsSet: what is so already is not written, and the audit says what is asked.
func TestPolicyIsSet(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, _ *Registry) {
		p := Policies{s}
		both := api.PolicyChange{Keys: []signing.Key{alice.Key(), bob.Key()}, Digests: true}
		for _, changes := range []bool{true, false} {
			if w, err := p.SetPolicy(ctx, called("root"), both); err != nil || w.Changed != changes {
				t.Errorf("%+v, %v", w, err)
			}
		}
		if now, err := p.Policy(ctx); err != nil || now.By != "root" || len(now.Keys) != 2 || !now.Digests {
			t.Errorf("%+v, %v", now, err)
		}
		twice := api.PolicyChange{Keys: []signing.Key{alice.Key(), alice.Key()}}
		if _, err := p.SetPolicy(ctx, called("root"), twice); api.AsError(err).Code != 400 {
			t.Errorf("a key twice: %v", err)
		}
		trusts(ctx, t, s, api.PolicyChange{})
		var notes []string
		err := s.Audit(ctx, access.AuditQuery{}, func(e access.Entry) error {
			notes = append(notes, e.By+": "+e.Did+": "+e.Note)
			return nil
		})
		want := "root: set policy: images by digest, signed by " + alice.Key().Called() + ", signed by " + bob.Key().Called() + "\nroot: set policy: nothing is asked"
		if got := strings.Join(notes, "\n"); err != nil || got != want {
			t.Errorf("the audit says\n%s, %v\nwant\n%s", got, err, want)
		}
		s.SetAway(true)
		if _, err := p.SetPolicy(ctx, called("root"), both); !errors.Is(err, cluster.ErrUnavailable) {
			t.Error(err)
		}
	})
}

var dropIn = unitfile.DropIn{Name: "a.conf", Text: "[Service]\nMemoryMax=1G\n"}
