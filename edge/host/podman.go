package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Podman is the version of the machine's Podman, "" where it has none.
func Podman(ctx context.Context) (string, error) { return podman(ctx, "podman") }

func podman(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", nil
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return "", fmt.Errorf("podman --version: %w: %s", err, strings.TrimSpace(string(ended.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("podman --version: %w", err)
	}
	return podmanVersion(string(out))
}

// podmanVersion reads "podman version 5.4.2".
func podmanVersion(said string) (string, error) {
	words := strings.Fields(said)
	if len(words) < 3 || words[0] != "podman" || words[1] != "version" || words[2][0] < '0' || words[2][0] > '9' {
		return "", fmt.Errorf("podman --version said %q, expected podman version NUMBER", said)
	}
	return words[2], nil
}
