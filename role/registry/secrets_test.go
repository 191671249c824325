package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/memstore"
	"argosy/edge/sealing"
)

const (
	asking = text + "[X-Fleet]\nSecret=key:db-%i\n"
	value  = "hunter2 in clear"
)

// vaulted runs a test with a vault beside the registry, which logs into the buffer.
func vaulted(t *testing.T, test func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, log *bytes.Buffer)) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		key := sealing.File(t.TempDir() + "/secrets.key")
		if err := key.Create(); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		r.log = slog.New(slog.NewTextHandler(&log, nil))
		test(ctx, t, s, NewVault(r, s, key), &log)
	})
}

func (v *Vault) mustSet(ctx context.Context, t *testing.T, name cluster.SecretName, value string) api.SecretWritten {
	t.Helper()
	written, err := v.SetSecret(ctx, called("alice"), name, api.SecretChange{Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// place has a machine run a unit, as leader and agent do.
func place(ctx context.Context, t *testing.T, s *memstore.Store, unit cluster.UnitName, desired cluster.Desired, versions cluster.SecretVersions) {
	t.Helper()
	lease, err := s.GrantLease(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.PutMachine(ctx, cluster.Machine{ID: machine, Name: "core-01", Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	term, err := s.TakeLead(ctx, cluster.Leader{Machine: machine})
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := s.Unit(ctx, unit)
	if err != nil {
		t.Fatal(err)
	}
	placed := schedule.Place{UnitRevision: u.Revision, MachineRevision: m.Revision, Placement: cluster.Placement{
		Machine: machine, Unit: unit, Hash: u.Hash, Desired: desired, Generation: u.Generation, Reason: "test"}}
	if events, err := s.Commit(ctx, term, []schedule.Change{placed}); err != nil || len(events) == 0 {
		t.Fatalf("%v, %v", events, err)
	}
	state := cluster.UnitState{Machine: machine, Unit: unit, Hash: u.Hash, Generation: u.Generation, Active: "active", Secrets: versions}
	if err := s.PutStates(ctx, lease, machine, []cluster.UnitState{state}, nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// TestSecretsAreVersioned: a new value is a new version, the same one is none; an
// earlier one can be gone back to, and no answer, fact or log has one in clear.
func TestSecretsAreVersioned(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, log *bytes.Buffer) {
		if w := v.mustSet(ctx, t, "db-1", value); !w.Created || !w.Changed || w.Version != 1 {
			t.Errorf("the first: %+v", w)
		}
		if w := v.mustSet(ctx, t, "db-1", value); w.Created || w.Changed || w.Version != 1 {
			t.Errorf("the same: %+v", w)
		}
		if w := v.mustSet(ctx, t, "db-1", "wrong"); w.Created || !w.Changed || w.Version != 2 {
			t.Errorf("another: %+v", w)
		}
		back, err := v.SetSecret(ctx, called("bob"), "db-1", api.SecretChange{From: 1})
		if err != nil || back.Version != 3 {
			t.Errorf("back to the first: %+v, %v", back, err)
		}
		all, err := v.Secrets(ctx)
		if err != nil || len(all.Secrets) != 1 || all.Secrets[0].Version != 3 || all.Secrets[0].By != "bob" ||
			!slices.Equal(all.Secrets[0].Kept, []int64{1, 2, 3}) || len(all.Secrets[0].Keys) != 1 {
			t.Errorf("listed: %+v, %v", all, err)
		}
		stored, err := s.Secret(ctx, "db-1")
		if err != nil {
			t.Fatal(err)
		}
		boxes := ""
		for _, version := range stored.Versions {
			boxes += string(version.Sealed.Box)
		}
		for what, said := range map[string]string{"the answer": fmt.Sprintf("%+v", all), "what is stored": boxes, "the log": log.String()} {
			if strings.Contains(said, value) {
				t.Errorf("%s holds the value: %s", what, said)
			}
		}
		if !strings.Contains(log.String(), `msg="secret written" secret=db-1 version=3 by=bob`) {
			t.Errorf("logged %s", log)
		}
	})
}

// replacing has another key seal, with the members' file as it is when all have it.
func replacing(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault) (file sealing.File, ring access.Keyring) {
	t.Helper()
	file = v.sealer.(sealing.File)
	held, err := file.Held()
	if err != nil {
		t.Fatal(err)
	}
	next := sealing.NewKey()
	if err := file.Add(next); err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(next, " ")
	if ring, err = s.PutKeyring(ctx, access.Keyring{}.Beginning(held, id).Turned(), 0); err != nil {
		t.Fatal(err)
	}
	return file, ring
}

// TestAnotherKey: what is set is sealed with the key that the keyring names, all kept
// versions with it, wherever that key stands in the member's file.
func TestAnotherKey(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		v.mustSet(ctx, t, "db-1", "a")
		v.mustSet(ctx, t, "db-1", value)
		file, ring := replacing(ctx, t, s, v)
		w, err := v.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{From: 2})
		if err != nil || !w.Changed || w.Version != 2 {
			t.Errorf("%+v, %v", w, err)
		}
		v.mustSet(ctx, t, "db-2", value)
		if _, err := file.Arrange(func([]string) []string { return []string{ring.Seals} }); err != nil {
			t.Fatal(err)
		}
		for name, versions := range map[cluster.SecretName]int{"db-1": 2, "db-2": 1} {
			stored, err := s.Secret(ctx, name)
			for _, version := range stored.Versions {
				if _, err := v.sealer.Open(name, version.Version, version.Sealed); err != nil {
					t.Error(err)
				}
			}
			if err != nil || len(stored.Versions) != versions {
				t.Errorf("%+v, %v", stored, err)
			}
		}
	})
}

// TestAMemberWithoutTheKey seals nothing, and says why: with another key it could be
// what nobody can open any more.
func TestAMemberWithoutTheKey(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		if _, err := s.PutKeyring(ctx, access.Keyring{Seals: "k9"}, 0); err != nil {
			t.Fatal(err)
		}
		_, err := v.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{Value: []byte(value)})
		if !errors.Is(err, cluster.ErrUnavailable) || !strings.Contains(err.Error(), "sealed with the key k9 now, which this member is still to get") {
			t.Error(err)
		}
	})
}

// resealing seals a secret anew, and forgets the former key, when it is first asked to
// open one: between a member's reading and its opening.
type resealing struct {
	Sealer
	once func()
}

func (r *resealing) Open(name cluster.SecretName, version int64, sealed cluster.Sealed) ([]byte, error) {
	if once := r.once; once != nil {
		r.once = nil
		once()
	}
	return r.Sealer.Open(name, version, sealed)
}

func TestAValueIsGivenWhileKeysChange(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		v.mustSet(ctx, t, "db-1", value)
		v.registry.mustSet(ctx, t, "web@1.service", ptr(asking), cluster.Launched)
		place(ctx, t, s, "web@1.service", cluster.Launched, "")
		file, ring := replacing(ctx, t, s, v)
		other := *v
		v.sealer = &resealing{Sealer: file, once: func() {
			if _, err := other.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{From: 1}); err != nil {
				t.Error(err)
			}
			if _, err := file.Arrange(func([]string) []string { return []string{ring.Seals} }); err != nil {
				t.Error(err)
			}
		}}
		if got, err := v.SecretFor(ctx, machine, "web@1.service", "db-1"); err != nil || string(got.Value) != value {
			t.Errorf("%+v, %v", got, err)
		}
		v.sealer = sealing.File(t.TempDir() + "/secrets.key")
		if err := v.sealer.(sealing.File).Create(); err != nil {
			t.Fatal(err)
		}
		if got, err := v.SecretFor(ctx, machine, "web@1.service", "db-1"); err == nil {
			t.Errorf("without its key it was opened: %+v", got)
		}
	})
}

// TestSecretFor: a machine has what a unit asks for that is launched there, and
// nothing else.
func TestSecretFor(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		const other = cluster.MachineID("491586a65ba24f1d9fb50b6ce8edbd7f")
		v.mustSet(ctx, t, "db-1", value)
		v.mustSet(ctx, t, "db-2", "another")
		v.registry.mustSet(ctx, t, "web@1.service", ptr(asking), cluster.Launched)
		v.registry.mustSet(ctx, t, "web@2.service", ptr(asking), cluster.Launched)
		place(ctx, t, s, "web@1.service", cluster.Launched, "db-1=1")
		if got, err := v.SecretFor(ctx, machine, "web@1.service", "db-1"); err != nil || got.Version != 1 || string(got.Value) != value {
			t.Errorf("%+v, %v", got, err)
		}
		for _, c := range []struct {
			machine cluster.MachineID
			unit    cluster.UnitName
			secret  cluster.SecretName
		}{
			{machine, "web@1.service", "db-2"}, {machine, "web@2.service", "db-2"}, {machine, "none.service", "db-1"},
			{other, "web@1.service", "db-1"}, {machine, "web@1.service", "none"}, {machine, "../x", "db-1"},
		} {
			got, err := v.SecretFor(ctx, c.machine, c.unit, c.secret)
			if err == nil || got.Value != nil {
				t.Errorf("%+v was given %q", c, got.Value)
			}
			var refused *api.Error
			if c.unit != "../x" && (!errors.As(err, &refused) || refused.Code != 403 || !strings.Contains(refused.Message, "no such unit is launched there that asks for it")) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		v.mustSet(ctx, t, "db-1", value)
		v.registry.mustSet(ctx, t, "web@1.service", ptr(asking), cluster.Loaded)
		place(ctx, t, s, "web@1.service", cluster.Loaded, "")
		if got, err := v.SecretFor(ctx, machine, "web@1.service", "db-1"); err == nil {
			t.Errorf("a unit that is not to run was given %q", got.Value)
		}
	})
}

// TestUnitsNeedTheirSecrets: what asks for a secret that is not there, or not for it,
// is not launched; everything else may be done with it.
func TestUnitsNeedTheirSecrets(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		r := v.registry
		const unit = cluster.UnitName("web@1.service")
		refused := func(change api.UnitChange, code int, want string) {
			t.Helper()
			var e *api.Error
			if _, err := r.SetUnit(ctx, called("me"), unit, change); !errors.As(err, &e) || e.Code != code || e.Message != want {
				t.Errorf("%v, expected %d %s", err, code, want)
			}
		}
		refused(api.UnitChange{Text: ptr(asking), Desired: cluster.Launched}, 404, "web@1.service asks for the secret db-1, which is not there")
		r.mustSet(ctx, t, unit, ptr(asking), cluster.Loaded)
		refused(api.UnitChange{Desired: cluster.Launched}, 404, "web@1.service asks for the secret db-1, which is not there")
		v.mustSet(ctx, t, "db-1", value)
		r.mustSet(ctx, t, unit, nil, cluster.Launched)
		r.mustSet(ctx, t, unit, nil, cluster.Loaded)
		if _, err := v.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{Units: &[]string{"db@*.service", "b*"}}); err != nil {
			t.Fatal(err)
		}
		refused(api.UnitChange{Desired: cluster.Launched}, 403, "web@1.service asks for the secret db-1, which is for units called db@*.service, b*")
		if _, err := v.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{Units: &[]string{}}); err != nil {
			t.Fatal(err)
		}
		r.mustSet(ctx, t, unit, nil, cluster.Launched)
	})
}

// TestRemoveSecret: one in use stays unless forced; who uses it is told.
func TestRemoveSecret(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		r := v.registry
		v.mustSet(ctx, t, "db-1", value)
		r.mustSet(ctx, t, "web@1.service", ptr(asking), cluster.Launched)
		r.mustSet(ctx, t, "web@2.service", ptr(asking), cluster.Inactive)
		r.mustSet(ctx, t, "web@.service", ptr(asking), cluster.Inactive)
		place(ctx, t, s, "web@1.service", cluster.Launched, "db-1=1")
		w := v.mustSet(ctx, t, "db-1", "next")
		if want := []api.SecretUse{{Unit: "web@1.service", Desired: cluster.Launched, Machine: machine, Version: 1}}; !slices.Equal(w.Used, want) {
			t.Errorf("used by %+v, expected %+v", w.Used, want)
		}
		var e *api.Error
		if _, err := v.RemoveSecret(ctx, called("alice"), "db-1", false); !errors.As(err, &e) || e.Code != 409 || e.Message != "the secret db-1 is used by web@1.service" {
			t.Errorf("removed in use: %v", err)
		}
		if w, err := v.RemoveSecret(ctx, called("alice"), "db-1", true); err != nil || len(w.Used) != 1 {
			t.Errorf("forced: %+v, %v", w, err)
		}
		if _, err := v.RemoveSecret(ctx, called("alice"), "db-1", true); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		if _, err := v.SecretFor(ctx, machine, "web@1.service", "db-1"); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("what is gone: %v", err)
		}
		if _, err := v.SetSecret(ctx, called("alice"), "db-1", api.SecretChange{From: 1}); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("back to what is gone: %v", err)
		}
	})
}

func TestBadSecretChanges(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		v.mustSet(ctx, t, "db-1", value)
		for _, c := range []struct {
			change api.SecretChange
			want   string
		}{
			{api.SecretChange{}, "the value is empty"},
			{api.SecretChange{From: -1}, "from is -1"},
			{api.SecretChange{From: 1, Value: []byte("x")}, "a value and from"},
			{api.SecretChange{From: 9}, "version 9 of the secret db-1 is not kept"},
			{api.SecretChange{Value: make([]byte, cluster.MaxSecretBytes+1)}, "the value has 65537 bytes"},
			{api.SecretChange{Units: &[]string{"["}}, `"[" is no pattern of units`},
			{api.SecretChange{Units: &[]string{""}}, `"" is no pattern of units`},
		} {
			var e *api.Error
			if _, err := v.SetSecret(ctx, called("alice"), "db-1", c.change); !errors.As(err, &e) || e.Code != 400 || e.Message != c.want {
				t.Errorf("%v, expected %s", err, c.want)
			}
		}
		if _, err := v.SetSecret(ctx, called("alice"), "../x", api.SecretChange{Value: []byte("x")}); err == nil {
			t.Error("a path was taken for a name")
		}
	})
}
