//go:build store

package main

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain makes this test's binary a member where it is asked to be one.
func TestMain(m *testing.M) {
	role := os.Getenv(asRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestAPlacementWakesOneAgent holds law 4 on a real store: whatever the number of
// agents, one is woken, and the bytes are few and the same.
func TestAPlacementWakesOneAgent(t *testing.T) {
	const most = 2048
	for _, count := range []int{10, 500} {
		cost, err := placeAmong(t.Context(), t.TempDir(), count, 20)
		if err != nil {
			t.Fatal(err)
		}
		if cost.woken != 1 {
			t.Errorf("a placement among %d agents wakes %.2f of them, want 1", count, cost.woken)
		}
		if cost.bytes > most {
			t.Errorf("a placement among %d agents takes %.0f bytes, want at most %d", count, cost.bytes, most)
		}
	}
}

// TestAnIdleClusterWritesNothing has machines live for longer than their leases.
func TestAnIdleClusterWritesNothing(t *testing.T) {
	cost, err := rest(t.Context(), t.TempDir(), 3, 50, leaseTime, leaseTime+2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if cost.revisions != 0 {
		t.Errorf("an idle cluster has written %d times, want never", cost.revisions)
	}
}
