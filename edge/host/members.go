package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MembersFile is where a machine keeps what it has learnt of the store's members:
// their client URLs, one a line. Its configuration says where to begin; members that
// came later are here, so that those that it began with may go.
const MembersFile = "/var/lib/fleet/members"

// ReadMembers returns them, in order; none where nothing was learnt yet.
func ReadMembers(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store's members: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// WriteMembers replaces them as a whole.
func WriteMembers(file string, urls []string) error {
	next, err := os.CreateTemp(filepath.Dir(file), ".members.*")
	if err == nil {
		_, err = next.WriteString(strings.Join(urls, "\n") + "\n")
		err = errors.Join(err, next.Chmod(0o644), next.Close())
		if err == nil {
			err = os.Rename(next.Name(), file)
		}
		if err != nil {
			_ = os.Remove(next.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("write the store's members: %w", err)
	}
	return nil
}

// WithMembers are those that a configuration names and those that were learnt.
func WithMembers(named, learnt []string) []string {
	all := slices.Concat(named, learnt)
	slices.Sort(all)
	return slices.Compact(all)
}
