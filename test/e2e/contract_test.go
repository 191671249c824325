//go:build machines

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The contract that edge/fakesystemd keeps, and the agent's life, on a real
// systemd: their tests are built here and run on a machine, as root.
func TestOnRealSystemd(t *testing.T) {
	for name, tests := range map[string]string{"edge/systemd": ".", "role/agent": "Real"} {
		t.Run(name, func(t *testing.T) {
			name, pkg := filepath.Base(name), "../../"+name
			binary := filepath.Join(t.TempDir(), name+".test")
			build := exec.Command("go", "test", "-c", "-tags", "machines", "-o", binary, pkg)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text, err := os.ReadFile(binary)
			if err != nil {
				t.Fatal(err)
			}
			at := "/run/" + name + ".test"
			out := cluster.run(t, text, cluster.argosy, "ssh", "--name", cluster.name, "core-03", "--",
				"sudo tee "+at+" >/dev/null && sudo chmod +x "+at+" && cd / && sudo "+at+" -test.run "+tests+" -test.v; code=$?; sudo rm "+at+"; exit $code")
			if out.code != 0 || !strings.Contains(out.stdout, "--- PASS") {
				t.Errorf("exit %d\n%s%s", out.code, out.stdout, out.stderr)
			}
		})
	}
}
