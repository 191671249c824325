package cluster_test

import (
	"strings"
	"testing"

	"argosy/core/cluster"
)

func TestParseSecretName(t *testing.T) {
	for _, good := range []string{"a", "db-password", "tls.key", "db@1", strings.Repeat("a", 128)} {
		if name, err := cluster.ParseSecretName(good); err != nil || string(name) != good {
			t.Errorf("%q: %q, %v", good, name, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "a b", "a:b", "-a", ".a", "@a", "a\n", "é", "a\x00", strings.Repeat("a", 129)} {
		if name, err := cluster.ParseSecretName(bad); err == nil || name != "" || !strings.Contains(err.Error(), "is no secret's name: expected 1 to 128") {
			t.Errorf("%q: %q, %v", bad, name, err)
		}
	}
}

func version(n int64) cluster.SecretVersion {
	return cluster.SecretVersion{Version: n, Sealed: cluster.Sealed{Key: "k", Box: []byte{1}}}
}

func TestSecretKeepsItsLatestVersions(t *testing.T) {
	s := cluster.Secret{Name: "db"}
	if s.Latest().Version != 0 || s.Check() == nil {
		t.Errorf("one without a version: %+v, %v", s.Latest(), s.Check())
	}
	for n := range int64(7) {
		before := len(s.Versions)
		next := s.With(version(n + 1))
		if len(s.Versions) != before {
			t.Error("With changed what it was called on")
		}
		s = next
	}
	if len(s.Versions) != cluster.KeptSecretVersions || s.Latest().Version != 7 || s.Check() != nil {
		t.Errorf("%+v, %v", s.Versions, s.Check())
	}
	if _, kept := s.Version(2); kept {
		t.Error("version 2 is still kept")
	}
	if v, kept := s.Version(3); !kept || v.Version != 3 {
		t.Errorf("version 3: %+v, %v", v, kept)
	}
	s.Versions[1], s.Versions[0] = s.Versions[0], s.Versions[1]
	if s.Check() == nil {
		t.Error("versions out of order were taken")
	}
}

func TestSecretIsForUnits(t *testing.T) {
	for _, c := range []struct {
		patterns string
		unit     cluster.UnitName
		want     bool
	}{
		{"", "web.service", true},
		{"web@*.service", "web@1.service", true},
		{"web@*.service", "web.service", false},
		{"db.service web.service", "web.service", true},
		{"[", "web.service", false},
	} {
		if got := (cluster.Secret{Units: strings.Fields(c.patterns)}).For(c.unit); got != c.want {
			t.Errorf("%q for %s: %v", c.patterns, c.unit, got)
		}
	}
}

func TestSecretVersions(t *testing.T) {
	v := cluster.VersionsOf(map[cluster.SecretName]int64{"tls": 1, "db": 12})
	if v != "db=12 tls=1" || v.Of("db") != 12 || v.Of("tls") != 1 || v.Of("d") != 0 {
		t.Errorf("%q", v)
	}
	if v := cluster.VersionsOf(nil); v != "" || v.Of("db") != 0 {
		t.Errorf("%q", v)
	}
	for _, odd := range []cluster.SecretVersions{"db", "db=", "db=x", "= ="} {
		if odd.Of("db") != 0 {
			t.Errorf("%q: %d", odd, odd.Of("db"))
		}
	}
}

// FuzzParseSecretName: what is accepted is safe as the name of a file and the last
// part of a key, and as a credential of systemd's.
func FuzzParseSecretName(f *testing.F) {
	for _, s := range []string{"db-password", "../x", "a:b", "é", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := cluster.ParseSecretName(s)
		if err == nil && (string(name) != s || strings.ContainsAny(s, "/: \n\x00%") || strings.HasPrefix(s, ".") || len(s) > 255) {
			t.Errorf("%q was accepted as %q", s, name)
		}
	})
}
