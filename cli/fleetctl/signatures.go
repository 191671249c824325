package fleetctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"argosy/core/signing"
	"argosy/core/unitfile"
)

// signatureSuffix is what stands behind a file's name in that of its signature.
const signatureSuffix = ".sig"

// signaturesOf adds what lies beside these files to signatures. A link's are those
// of the file that it leads to.
func signaturesOf(signatures string, paths ...string) (string, error) {
	for _, path := range paths {
		text, err := readSignature(path + signatureSuffix)
		if whole, bad := filepath.EvalSymlinks(path); text == "" && err == nil && bad == nil && whole != path {
			text, err = readSignature(whole + signatureSuffix)
		}
		if err != nil {
			return "", err
		}
		signatures += text
	}
	return signatures, nil
}

// readSignature is empty where there is none.
func readSignature(path string) (string, error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the signature: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, signing.MaxBytes+1))
	if err != nil {
		return "", fmt.Errorf("read the signature: %w", err)
	}
	found, err := signing.Decode(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case len(found) == 0:
		return "", fmt.Errorf("%s: it is empty; expected a signature as ssh-keygen writes it", path)
	}
	return strings.TrimSuffix(string(text), "\n") + "\n", nil
}

// paths are where drop-ins lie, in the order of their names.
func paths(files map[string]unitfile.NamedText) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, files[name].Name)
	}
	return all
}
