package store

import (
	"strings"
	"testing"

	"argosy/core/cluster"
)

// FuzzKey checks that each key is read back from what it is read as, or refused.
func FuzzKey(f *testing.F) {
	id := cluster.MachineID(strings.Repeat("0", 32))
	for _, key := range []string{
		"", "/", root, leaderKey, leaderKey + "/", unitKey("web.service"), unitKey(`dev-\x2dfoo.mount`), contentKey("ab"),
		machineKey(id), labelsKey(id), placementKey(id, "web@1.service"), stateKey(id, "web@.socket"), unplacedKey("a.timer"),
		root + "units//web.service", root + "units/web.service/", root + "history/1", placementsPrefix(id), unitKey("wéb.service"),
		probesKey(id), suspectKey(id, id), departedKey(id), departedKey(id) + "/", machineKey(id) + "/suspects", machineKey(id) + "/", probesKey(id) + "/",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		at, err := parseKey(key)
		if err != nil || at.family == "" {
			return
		}
		again := map[family]string{
			leader: leaderKey, contents: contentKey(at.hash), units: unitKey(at.unit), machines: machineKey(at.machine), labels: labelsKey(at.machine),
			placements: placementKey(at.machine, at.unit), states: stateKey(at.machine, at.unit), unplaced: unplacedKey(at.unit),
			probes: probesKey(at.machine), suspects: suspectKey(at.prober, at.machine), departed: departedKey(at.machine),
		}[at.family]
		if again != key {
			t.Errorf("%q was read as %+v, whose key is %q", key, at, again)
		}
		if event, err := gone(key); err != nil || event == nil {
			t.Errorf("the end of %q: %v, %v", key, event, err)
		}
	})
}

// FuzzFact checks that no value makes trouble, and that one that is read is
// stored as what is read again.
func FuzzFact(f *testing.F) {
	id := cluster.MachineID(strings.Repeat("0", 32))
	for _, key := range []string{leaderKey, unitKey("web.service"), machineKey(id), labelsKey(id), placementKey(id, "a.service"), stateKey(id, "a.service"), unplacedKey("a.service")} {
		f.Add(key, []byte(`{"desired":"launched","metadata":{"a":"b"},"at":"2026-01-02T03:04:05Z"}`))
		f.Add(key, []byte(`{"desired":1}`))
		f.Add(key, []byte("\xff"))
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		kv := &keyValue{Key: []byte(key), Value: value, ModRevision: 7}
		event, err := changed(kv)
		unit, is := event.(cluster.UnitChanged)
		if err != nil || !is {
			return
		}
		text, err := encode(unit.Unit)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", value, err)
		}
		kv.Value = text
		if again, err := changed(kv); err != nil || again != event {
			t.Errorf("%+v came back as %+v, %v", event, again, err)
		}
	})
}

// FuzzSecret: what is read of a secret is one that may be stored, and comes back.
func FuzzSecret(f *testing.F) {
	f.Add("db", []byte(`{"versions":[{"version":1,"by":"alice","at":"2026-01-02T03:04:05Z","sealed":{"key":"k","box":"AQ=="}}],"units":["a.service"]}`))
	f.Add("db", []byte(`{"versions":[{"version":2,"sealed":{"box":"AQ=="}},{"version":1,"sealed":{"box":"AQ=="}}]}`))
	f.Add("db", []byte(`{"versions":[]}`))
	f.Add("a/b", []byte("\xff"))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		kv := &keyValue{Key: []byte(secretsFolder + name), Value: value, ModRevision: 7}
		secret, err := readSecret(kv)
		if err != nil {
			return
		}
		if string(secret.Name) != name || secret.Revision != 7 || secret.Check() != nil || len(secret.Latest().Sealed.Box) == 0 {
			t.Errorf("%q was read as %+v", value, secret)
		}
		text, err := encode(secret)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", value, err)
		}
		kv.Value = text
		again, err := readSecret(kv)
		if err != nil {
			t.Fatalf("%s was written and cannot be read: %v", text, err)
		}
		if written, err := encode(again); err != nil || string(written) != string(text) {
			t.Errorf("%s came back as %s, %v", text, written, err)
		}
	})
}
