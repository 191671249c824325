package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"argosy/core/signing"
)

// PolicyFile says what this machine starts, in the cluster's stead: nobody changes it
// from elsewhere. Where there is none, the cluster's policy holds.
const PolicyFile = "/etc/argosy/policy"

// ReadPolicy returns it, and whether there is one. One that cannot be read, or that
// others than its owner may write, is an error: then nothing is started.
func ReadPolicy(path string) (policy signing.Policy, there bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return policy, false, nil
	}
	if err != nil {
		return policy, true, fmt.Errorf("read this machine's policy: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return policy, true, fmt.Errorf("read this machine's policy: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return policy, true, fmt.Errorf("%s may be written by others than its owner: its mode is %04o; expected 0644", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, signing.MaxTextBytes+1))
	if err != nil {
		return policy, true, fmt.Errorf("read this machine's policy: %w", err)
	}
	policy, err = signing.ParsePolicy(path, string(text))
	return policy, true, err
}
