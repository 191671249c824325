package host

import (
	"strings"
	"testing"
)

func TestPodmanVersion(t *testing.T) {
	for said, want := range map[string]string{"podman version 5.4.2\n": "5.4.2", "podman version 4.3.1": "4.3.1", "podman version 5.0.0-rc1\n": "5.0.0-rc1"} {
		if got, err := podmanVersion(said); err != nil || got != want {
			t.Errorf("%q: %q, %v", said, got, err)
		}
	}
	for _, said := range []string{"", "podman", "podman version", "docker version 20\n", "podman version unknown\n"} {
		if got, err := podmanVersion(said); err == nil || !strings.Contains(err.Error(), "expected podman version NUMBER") {
			t.Errorf("%q: %q, %v", said, got, err)
		}
	}
}

func TestNoPodman(t *testing.T) {
	if version, err := podman(t.Context(), "no-such-podman"); version != "" || err != nil {
		t.Errorf("%q, %v", version, err)
	}
	if _, err := podman(t.Context(), "false"); err == nil || !strings.HasPrefix(err.Error(), "podman --version: ") {
		t.Errorf("a podman that fails: %v", err)
	}
}
