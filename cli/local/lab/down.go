package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"argosy/edge/nspawn"
)

// Down clears away all of the cluster called name. It goes by the name alone and
// needs no record to be whole, so it also works after a crash of Up at any point.
// existed says whether there was anything.
func Down(ctx context.Context, name string, waiting func()) (existed bool, err error) {
	if !clusterName.MatchString(name) {
		return false, fmt.Errorf("%q is no name for a cluster", name)
	}
	if err := mustBeRoot(); err != nil {
		return false, err
	}
	dir := filepath.Join(stateDir, name)
	group, err := groupOf(name)
	if err != nil {
		return false, err
	}
	for _, trace := range []string{dir, string(group), string(namespaceOf(name))} {
		if _, err := os.Stat(trace); err == nil {
			existed = true
		}
	}
	if !existed {
		return false, nil
	}
	release, err := hold(ctx, name, waiting)
	if err != nil {
		return true, err
	}
	defer release()
	// Keepers and machines in one stroke; with their processes go their mounts.
	if err := group.Remove(ctx); err != nil {
		return true, err
	}
	if err := namespaceOf(name).Delete(); err != nil {
		return true, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return true, fmt.Errorf("remove %s: %w", dir, err)
	}
	return true, removeParents()
}

// removeParents removes what all clusters share once it is empty.
func removeParents() error {
	shared, err := nspawn.CgroupAt("argosy")
	if err != nil {
		return err
	}
	for _, dir := range []string{string(shared), stateDir} {
		// Not empty: another cluster is there.
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) && !isNotEmpty(err) {
			return err
		}
	}
	return nil
}
