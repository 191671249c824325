package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/sealing"
)

// sealed is a store with secrets, and members that go by the keyring when they are asked,
// as their fleetds do. A call may be the last before the command dies.
type sealed struct {
	*testing.T
	ring        access.Keyring
	authorities access.Authorities
	secrets     map[cluster.SecretName]cluster.Secret
	files       map[cluster.MachineID]sealing.File // of members, off ones too
	off         map[cluster.MachineID]bool
	revision    int64
	done        []string
	left        int    // writes until the command dies; negative for never
	written     func() // called behind each write
}

var errDied = errors.New("the command has died")

const lastOne = "00000000000000000000000000000003"

func newSealed(t *testing.T) *sealed {
	s := &sealed{
		T: t, left: -1, secrets: map[cluster.SecretName]cluster.Secret{}, files: map[cluster.MachineID]sealing.File{}, off: map[cluster.MachineID]bool{},
	}
	for _, id := range []cluster.MachineID{first, second, lastOne} {
		s.files[id] = sealing.File(filepath.Join(t.TempDir(), "secrets.key"))
	}
	if err := s.files[first].Create(); err != nil {
		t.Fatal(err)
	}
	s.copyKey(first, second, s.held(first)[0])
	s.copyKey(first, lastOne, s.held(first)[0])
	for _, name := range []cluster.SecretName{"db", "tls"} {
		s.set(first, name, "1 of "+string(name))
		s.set(second, name, "2 of "+string(name))
	}
	key, err := s.files[lastOne].SealKey([]byte("an authority's"))
	if err != nil {
		t.Fatal(err)
	}
	s.revision++
	s.authorities.Revision, s.authorities.Key = s.revision, key
	if s.authorities.Peers.Key, err = s.files[second].SealKey([]byte("the peers' authority's")); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sealed) held(of cluster.MachineID) []string {
	s.Helper()
	held, err := s.files[of].Held()
	if err != nil {
		s.Fatal(err)
	}
	return held
}

func (s *sealed) copyKey(from, to cluster.MachineID, id string) {
	s.Helper()
	line, err := s.files[from].Line(id)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.files[to].Held(); err != nil { // its first
		err = s.files[to].Create()
		if err == nil {
			err = s.files[to].Add(line)
		}
		if err == nil {
			_, err = s.files[to].Arrange(func([]string) []string { return []string{id} })
		}
		if err != nil {
			s.Fatal(err)
		}
	} else if err := s.files[to].Add(line); err != nil {
		s.Fatal(err)
	}
}

// set is a new version of a secret, sealed as a member's vault does.
func (s *sealed) set(on cluster.MachineID, name cluster.SecretName, value string) {
	s.Helper()
	secret := s.secrets[name]
	secret.Name = name
	number := secret.Latest().Version + 1
	box, err := s.files[on].Seal(s.ring.Seals, name, number, []byte(value))
	if err != nil {
		s.Fatal(err)
	}
	s.revision++
	secret = secret.With(cluster.SecretVersion{Version: number, Sealed: box})
	secret.Revision = s.revision
	s.secrets[name] = secret
}

// followed has the members that run go by the keyring.
func (s *sealed) followed() {
	s.Helper()
	for _, id := range []cluster.MachineID{first, second, lastOne} {
		if s.off[id] {
			continue
		}
		for _, key := range s.ring.Missing(s.held(id)) {
			for _, other := range []cluster.MachineID{first, second, lastOne} {
				if !s.off[other] && slices.Contains(s.held(other), key) && !slices.Contains(s.held(id), key) {
					s.copyKey(other, id, key)
				}
			}
		}
		if _, err := s.files[id].Arrange(s.ring.Arranged); err != nil {
			s.Error(err)
		}
	}
}

// readable says that each member that runs opens everything that is stored.
func (s *sealed) readable() {
	s.Helper()
	for id, file := range s.files {
		if s.off[id] {
			continue
		}
		for name, secret := range s.secrets {
			for _, v := range secret.Versions {
				if value, err := file.Open(name, v.Version, v.Sealed); err != nil || string(value) != fmt.Sprintf("%d of %s", v.Version, name) {
					s.Errorf("%s on %s: %q, %v", name, id, value, err)
				}
			}
		}
		if key, err := file.OpenKey(s.authorities.Key); err != nil || string(key) != "an authority's" {
			s.Errorf("the authority's key on %s: %q, %v", id, key, err)
		}
		if key, err := file.OpenKey(s.authorities.Peers.Key); err != nil || string(key) != "the peers' authority's" {
			s.Errorf("the key of the peers' authority on %s: %q, %v", id, key, err)
		}
	}
}

// write is what each write goes through.
func (s *sealed) write(done []access.Entry) error {
	if s.left == 0 {
		return errDied
	}
	s.left--
	s.revision++
	for _, e := range done {
		s.done = append(s.done, e.By+": "+e.Did)
	}
	if s.written != nil {
		s.written()
	}
	return nil
}

func (s *sealed) Register(context.Context) (access.Register, error) {
	return access.Register{Authorities: s.authorities, Keyring: s.ring}, nil
}

func (s *sealed) Machines(context.Context) (all []cluster.Machine, err error) {
	for id := range s.files {
		if !s.off[id] {
			all = append(all, cluster.Machine{ID: id, Member: true, Name: "core-" + string(id[:2])})
		}
	}
	return append(all, cluster.Machine{ID: "0000000000000000000000000000000f", Name: "worker"}), nil
}

func (s *sealed) PutKeyring(_ context.Context, k access.Keyring, authorities int64, done ...access.Entry) (access.Keyring, error) {
	if k.Revision != s.ring.Revision || authorities != s.authorities.Revision {
		return k, cluster.ErrConflict
	}
	if err := s.write(done); err != nil {
		return k, err
	}
	k.Revision = s.revision
	s.ring = k
	s.readable() // before anybody follows
	return k, nil
}

func (s *sealed) PutAuthorities(_ context.Context, a access.Authorities) (access.Authorities, error) {
	if a.Revision != s.authorities.Revision {
		return a, cluster.ErrConflict
	}
	if err := s.write(nil); err != nil {
		return a, err
	}
	a.Revision = s.revision
	s.authorities = a
	return a, nil
}

func (s *sealed) Secrets(context.Context) (all []cluster.Secret, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.secrets)) {
		all = append(all, s.secrets[name])
	}
	return all, nil
}

func (s *sealed) PutSecret(_ context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error) {
	if secret.Revision != s.secrets[secret.Name].Revision || keyring != s.ring.Revision {
		return secret, cluster.ErrConflict
	}
	if err := s.write(done); err != nil {
		return secret, err
	}
	secret.Revision = s.revision
	s.secrets[secret.Name] = secret
	s.readable()
	return secret, nil
}

func (s *sealed) on(self cluster.MachineID) *rekeying {
	return &rekeying{
		store: s, file: s.files[self], self: self, tell: func(string) {}, now: time.Now, by: "alice",
		ask: func(_ context.Context, m cluster.Machine) ([]string, error) {
			s.followed()
			s.readable()
			return s.files[m.ID].Held()
		},
	}
}

// replaced says that nothing but the new key is left anywhere.
func (s *sealed) replaced(key string) {
	s.Helper()
	s.followed()
	s.readable()
	for id := range s.files {
		if held := s.held(id); !slices.Equal(held, []string{key}) {
			s.Errorf("%s has %q, want %q alone", id, held, key)
		}
	}
	if s.ring.Replacing() || s.ring.Seals != key || s.ring.Next != "" {
		s.Errorf("%+v", s.ring)
	}
}

func TestRekey(t *testing.T) {
	s := newSealed(t)
	former := s.held(first)[0]
	key, err := s.on(first).replace(t.Context())
	if err != nil || key == former {
		t.Fatalf("%q, %v", key, err)
	}
	s.replaced(key)
	slices.Sort(s.done)
	want := []string{
		"alice: begin to replace the key of secrets", "alice: end the former key of secrets", "alice: have another key seal secrets",
		"alice: seal secret db anew", "alice: seal secret tls anew",
	}
	if !slices.Equal(s.done, want) {
		t.Errorf("recorded %q, want %q", s.done, want)
	}
	again, err := s.on(lastOne).replace(t.Context())
	if err != nil || again == key {
		t.Fatalf("%q, %v", again, err)
	}
	s.replaced(again)
	if want := []string{former, key}; !slices.Equal(s.ring.Ended, want) {
		t.Errorf("ended are %q, want %q", s.ring.Ended, want)
	}
}

// TestRekeyGoesOn: wherever the command dies, whichever member it ran on, each member
// that runs opens everything at every moment, and another call on another member ends
// it. A member that was off from before comes to the same.
func TestRekeyGoesOn(t *testing.T) {
	for _, off := range []bool{false, true} {
		for dies := range 6 {
			t.Run(fmt.Sprintf("after %d writes, one off %v", dies, off), func(t *testing.T) {
				s := newSealed(t)
				s.off[lastOne], s.left = off, dies
				if _, err := s.on(first).replace(t.Context()); !errors.Is(err, errDied) {
					t.Fatalf("it was to die: %v", err)
				}
				s.followed()
				s.readable()
				s.left = -1
				s.set(second, "db", "3 of db")
				key, err := s.on(second).replace(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.off[lastOne] = false
				s.replaced(key)
			})
		}
	}
}

// TestRekeyOfALostKey: the member that made the next key is lost before another has it.
func TestRekeyOfALostKey(t *testing.T) {
	s := newSealed(t)
	former := s.held(first)[0]
	s.left = 1
	s.off[second], s.off[lastOne] = true, true
	if _, err := s.on(first).replace(t.Context()); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	lost := s.ring.Next
	s.off, s.left = map[cluster.MachineID]bool{first: true}, -1
	key, err := s.on(second).replace(t.Context())
	if err != nil || key == lost {
		t.Fatalf("%q, %v", key, err)
	}
	s.off[first] = false // after all
	s.replaced(key)
	if want := []string{former, lost}; !slices.Equal(s.ring.Ended, want) {
		t.Errorf("ended are %q, want %q", s.ring.Ended, want)
	}
}

// TestRekeyBesideOthers: who sets a secret meanwhile is not undone, and a second command
// finds out that it is not alone.
func TestRekeyBesideOthers(t *testing.T) {
	s := newSealed(t)
	wrote := 0
	s.written = func() {
		if wrote++; wrote == 3 { // db was read beside tls, and is written now
			s.set(lastOne, "tls", "3 of tls")
		}
	}
	key, err := s.on(first).replace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.replaced(key)
	if got := s.secrets["tls"].Latest().Version; got != 3 {
		t.Errorf("the latest version is %d", got)
	}
	wrote = 0
	s.written = func() {
		if wrote++; wrote == 3 {
			s.revision++
			s.ring.Revision = s.revision
		}
	}
	if _, err := s.on(first).replace(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "somebody else replaces the key, too") {
		t.Error(err)
	}
}

// TestRekeyWaits for a member that is listed and has not got the key, and says which.
func TestRekeyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSealed(t)
		r := s.on(first)
		ask := r.ask
		r.ask = func(ctx context.Context, m cluster.Machine) ([]string, error) {
			if m.ID == lastOne && s.ring.Next != "" {
				return nil, errors.New("it does not answer")
			}
			return ask(ctx, m)
		}
		former := s.held(lastOne)
		_, err := r.replace(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "wait for all members; call this again to go on: ") || !strings.Contains(err.Error(), "member "+lastOne+" (core-00): it does not answer") {
			t.Error(err)
		}
		if s.ring.Seals != former[0] || s.ring.Next == "" {
			t.Errorf("it went on without it: %+v", s.ring)
		}
		s.off[first] = true
		if _, err := s.on(first).replace(t.Context()); err == nil || !strings.Contains(err.Error(), "this member is not listed: fleet.service is to run on it") {
			t.Error(err)
		}
		s.off[first] = false
		key, err := s.on(first).replace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.replaced(key)
	})
}

// TestRekeyOfWhatCannotBeOpened: with the former key it must; what a key sealed that
// nobody has any more stays, and is told.
func TestRekeyOfWhatCannotBeOpened(t *testing.T) {
	s := newSealed(t)
	spoil := func(change func(*cluster.Sealed)) {
		secret := s.secrets["db"]
		secret.Versions = slices.Clone(secret.Versions)
		change(&secret.Versions[0].Sealed)
		s.secrets["db"] = secret
	}
	whole := s.secrets["db"].Versions[0].Sealed
	spoil(func(b *cluster.Sealed) { b.Box = slices.Clone(b.Box); b.Box[3] ^= 1 })
	r := s.on(first)
	s.T = &testing.T{} // the spoilt one is not readable
	_, err := r.replace(t.Context())
	s.T = t
	if err == nil || !strings.HasPrefix(err.Error(), "open version 1 of the secret db: what is stored was changed") || !strings.HasSuffix(err.Error(), "; give it another value or remove it, then call this again") {
		t.Error(err)
	}
	if !s.ring.Replacing() || len(s.held(first)) != 2 {
		t.Errorf("the former key was forgotten: %+v, %q", s.ring, s.held(first))
	}
	spoil(func(b *cluster.Sealed) { *b = cluster.Sealed{Key: "k0", Box: whole.Box} })
	var told []string
	r = s.on(first)
	r.tell = func(line string) { told = append(told, line) }
	s.T = &testing.T{}
	_, err = r.replace(t.Context())
	s.T = t
	if err != nil || s.ring.Replacing() || !slices.ContainsFunc(told, func(line string) bool {
		return strings.HasPrefix(line, `WARNING: left as it is: open version 1 of the secret db: it was sealed with the key "k0"`)
	}) {
		t.Errorf("%v, told %q", err, told)
	}
}
