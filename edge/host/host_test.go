package host

import "testing"

func TestStartTicks(t *testing.T) {
	stat := "1 (a b) c) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2 3\n"
	if got, err := startTicks([]byte(stat)); err != nil || got != "4242" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 0", ")"} {
		if got, err := startTicks([]byte(bad)); err == nil {
			t.Errorf("%q: accepted as %q", bad, got)
		}
	}
}

func TestDefaultInterface(t *testing.T) {
	table := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
		"host0\t00000000\t0100630A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if got := defaultInterface([]byte(table)); got != "host0" {
		t.Errorf("got %q", got)
	}
	if got := defaultInterface([]byte("nonsense\n")); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestBootIDIsStable(t *testing.T) {
	first, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := bootID(); second != first {
		t.Errorf("%s, then %s", first, second)
	}
	if bytes, err := memoryBytes(); err != nil || bytes <= 0 {
		t.Errorf("memory %d, %v", bytes, err)
	}
}
