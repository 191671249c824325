package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"argosy/core/cluster"
)

// quadletGenerator makes services of Quadlet files whenever systemd reads its
// files, see podman-systemd.unit(5).
const quadletGenerator = "/usr/lib/systemd/system-generators/podman-system-generator"

// quadletFault is what Podman's generator has against a Quadlet file; nil where
// it makes a service of it. systemd itself only says that there is no such unit.
func quadletFault(ctx context.Context, unit cluster.UnitName) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var complaints strings.Builder
	generator := command(ctx, quadletGenerator, "--dryrun")
	generator.Stderr = &complaints
	err := generator.Run()
	var ended *exec.ExitError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("this machine has no Podman that makes services of Quadlet files: there is no %s", quadletGenerator)
	case err != nil && !errors.As(err, &ended):
		return fmt.Errorf("ask Podman's generator: %w", err)
	}
	return complaintOf(unit, complaints.String())
}

// complaintOf picks from the generator's output the lines about one file, such as
//
//	quadlet-generator[200]: converting "a.container": unsupported key 'Foo' in group 'Container' in /run/.../a.container
func complaintOf(unit cluster.UnitName, output string) error {
	var said []string
	for line := range strings.Lines(output) {
		about := strings.Contains(line, `"`+string(unit)) || strings.Contains(line, "/"+string(unit))
		if !about || strings.Contains(line, "Loading source") {
			continue
		}
		if _, rest, found := strings.Cut(line, "]: "); found {
			line = rest
		}
		said = append(said, strings.TrimSpace(line))
	}
	if len(said) == 0 {
		return nil
	}
	return fmt.Errorf("no service was made of it: %s", strings.Join(said, "; "))
}
