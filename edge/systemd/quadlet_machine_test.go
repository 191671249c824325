//go:build machines

package systemd_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"argosy/core/cluster"
)

// TestQuadletNames: Podman's generator calls its services as the cluster expects.
func TestQuadletNames(t *testing.T) {
	m, _ := open(t)
	follow(t, m)
	units := map[cluster.UnitName]string{
		"contra-q.container":    "[Container]\nImage=localhost/contra\n",
		"contra-q@1.container":  "[Container]\nImage=localhost/contra\nPod=contra-q.pod\n",
		"contra-q@.container":   "[Container]\nImage=localhost/contra\n",
		"contra-yaml.kube":      "[Kube]\nYaml=/nowhere.yaml\n",
		"contra-yaml@2.kube":    "[Kube]\nYaml=/nowhere.yaml\n",
		"contra-q.pod":          "[Pod]\n",
		"contra-q.volume":       "[Volume]\n",
		"contra-q.network":      "[Network]\n",
		"contra-q.image":        "[Image]\nImage=localhost/contra\n",
		`contra\x2dq.container`: "[Container]\nImage=localhost/contra\n",
	}
	for unit, text := range units {
		if err := m.Write(unit, text); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for unit := range units {
			if err := m.Remove(unit); err != nil {
				t.Error(err)
			}
		}
		if err := m.Reload(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for unit := range units {
		if _, err := os.Stat(filepath.Join("/run/systemd/generator", string(unit.Service()))); err != nil {
			t.Errorf("of %s: %v", unit, err)
		}
	}
}
