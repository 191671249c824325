package unitfile_test

import (
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// checkWords looks at what was read of the words that choose among machines.
func checkWords(t *testing.T, unit cluster.UnitName, needs unitfile.Requirements) {
	chosen := len(needs.Spread) > 0 || len(needs.Prefer) > 0
	if chosen && (needs.Global || needs.MachineID != "") || needs.MaxPerMachine > 0 && needs.Global {
		t.Errorf("together: %+v", needs)
	}
	if (len(needs.Spread) > 0 || needs.MaxPerMachine != 0) && unit.Instance() == "" && !unit.IsTemplate() {
		t.Errorf("%s has no siblings: %+v", unit, needs)
	}
	r := needs.Reserve
	if r.MemoryBytes < 0 || r.MemoryBytes > 1<<46 || r.CPUMilli < 0 || r.CPUMilli > 1e9 || needs.MaxPerMachine < 0 {
		t.Errorf("out of range: %+v", needs)
	}
	for kind, n := range r.Other {
		if kind == "" || kind == "memory" || kind == "cpu" || n <= 0 {
			t.Errorf("%q=%d is reserved", kind, n)
		}
	}
	for _, p := range needs.Prefer {
		if p.Key == "" || len(p.Values) != 1 || p.Values[0] == "" || p.Weight < 1 || p.Weight > 100 {
			t.Errorf("preference %+v", p)
		}
	}
}

// TestLimitsOfEachType: a unit reserves what the section of its own type says,
// as systemd limits it by that one alone.
func TestLimitsOfEachType(t *testing.T) {
	file, err := unitfile.Parse("x", "[Service]\nMemoryMax=1M\n[Socket]\nMemoryMax=2M\n[Mount]\nMemoryMax=3M\n"+
		"[Swap]\nMemoryMax=4M\n[Slice]\nMemoryMax=5M\n[Scope]\nMemoryMax=6M\n[X-Fleet]\nMemoryMax=7M\n[Container]\nMemoryMax=8M\n")
	if err != nil {
		t.Fatal(err)
	}
	for unit, want := range map[cluster.UnitName]int64{
		"a.service": 1, "a.socket": 2, "a.mount": 3, "a.swap": 4, "a.slice": 5, "a.scope": 6,
		"a.container": 1, "a.kube": 1, "a.pod": 1, "a.timer": 0, "a.target": 0,
	} {
		needs, err := file.Requirements(unit)
		if err != nil || needs.Reserve.MemoryBytes != want<<20 {
			t.Errorf("%s reserves %d bytes, %v; want %d", unit, needs.Reserve.MemoryBytes, err, want<<20)
		}
	}
}

func TestAmounts(t *testing.T) {
	const none = -1
	for value, want := range map[string]int64{
		"0": 0, "1": 1, "512M": 512 << 20, "1.5G": 3 << 29, "8K": 8 << 10, "2T": 2 << 40, "64T": 64 << 40, "7B": 7, "0.3K": 308,
		"65T": none, "": none, "M": none, "1m": none, "1.": none, ".5G": none, "1e9": none, "+1": none, "-1": none, "1.2.3M": none,
		"99999999999999999999": none, "99999999999999999999T": none, "1Mi": none, "1 GB": none, "infinity": none, "10%": none,
	} {
		needs, err := requirements(t, "[X-Fleet]\nReserve=\"memory="+value+"\"\n", "a.service")
		if want == none != (err != nil) || err == nil && needs.Reserve.MemoryBytes != want {
			t.Errorf("memory=%s: %d, %v; want %d", value, needs.Reserve.MemoryBytes, err, want)
		}
	}
	for value, want := range map[string]int64{
		"0": 0, "2": 2000, "0.5": 500, "0.001": 1, "1.25": 1250, "0.7": 700, "0.29": 290, "1000000": 1e9,
		"0.0001": none, "1000001": none, "": none, "50%": none, "500m": none, ".5": none, "1,5": none,
	} {
		needs, err := requirements(t, "[X-Fleet]\nReserve=cpu="+value+"\n", "a.service")
		if want == none != (err != nil) || err == nil && needs.Reserve.CPUMilli != want {
			t.Errorf("cpu=%s: %d, %v; want %d", value, needs.Reserve.CPUMilli, err, want)
		}
	}
}

func requirements(t *testing.T, text string, unit cluster.UnitName) (unitfile.Requirements, error) {
	t.Helper()
	file, err := unitfile.Parse("x", text)
	if err != nil {
		t.Fatal(err)
	}
	return file.Requirements(unit)
}

func TestPodmanOfEachType(t *testing.T) {
	for unit, want := range map[cluster.UnitName]string{
		"a.container": "4.4", "a@1.container": "4.4", "a.kube": "4.4", "a.volume": "4.4", "a.network": "4.4",
		"a.image": "4.8", "a.pod": "5.0", "a.service": "", "a.socket": "",
	} {
		if needs, err := requirements(t, "[Unit]\n", unit); err != nil || needs.Podman != want {
			t.Errorf("%s needs Podman %q, %v; want %q", unit, needs.Podman, err, want)
		}
	}
}

func TestMetadataIsMet(t *testing.T) {
	eu, none := map[string]string{"region": "eu"}, map[string]string{}
	in, out := unitfile.Metadata{Key: "region", Values: []string{"us", "eu"}}, unitfile.Metadata{Key: "region", Values: []string{"us", "eu"}, Not: true}
	if !in.Met(eu) || in.Met(none) || out.Met(eu) || !out.Met(none) {
		t.Errorf("in: %v %v, out: %v %v", in.Met(eu), in.Met(none), out.Met(eu), out.Met(none))
	}
}
