package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// secretsDropIn is read behind the unit's own drop-ins.
const secretsDropIn = "zz-fleet-secrets.conf"

// credentials is the drop-in by which systemd gives a unit's processes its secrets,
// see LoadCredential= in systemd.exec(5). It belongs to the service that systemd
// knows, as the fence's does. No secret stands in it: anybody may read it.
func (f *Files) credentials(unit cluster.UnitName) placed {
	service := string(unit.Service())
	return placed{filepath.Join(f.folders.Credentials, service+".conf"), filepath.Join(f.folders.Links, service+".d", secretsDropIn)}
}

func (f *Files) credentialsText(unit cluster.UnitName, asks []unitfile.Secret) string {
	var out strings.Builder
	out.WriteString("# Secret=: these are the cluster's secrets; see $CREDENTIALS_DIRECTORY.\n[Service]\n")
	for _, s := range asks {
		// systemd reads specifiers in it, and an instance's name may have a backslash.
		fmt.Fprintf(&out, "LoadCredential=%s:%s\n", s.Credential, filepath.Join(f.folders.Secrets, "%n", s.Credential))
	}
	return out.String()
}

// credit has the drop-in of a unit there that asks for these secrets.
func (f *Files) credit(unit cluster.UnitName, asks []unitfile.Secret) error {
	if len(asks) == 0 {
		return f.discredit(unit)
	}
	at := f.credentials(unit)
	if err := at.free(); err != nil {
		return err
	}
	return errors.Join(replace(at.file, []byte(f.credentialsText(unit, asks))), at.tie())
}

// discredit takes the drop-in away, if it is there.
func (f *Files) discredit(unit cluster.UnitName) error {
	at := f.credentials(unit)
	if !at.tied() {
		return nil
	}
	return errors.Join(at.untie(), absent(os.Remove(at.file)))
}

// credited says whether the drop-in is what a unit needs that asks for these secrets.
func (f *Files) credited(unit cluster.UnitName, asks []unitfile.Secret) bool {
	at := f.credentials(unit)
	if len(asks) == 0 {
		return !at.tied()
	}
	text, err := os.ReadFile(at.file)
	return err == nil && at.tied() && string(text) == f.credentialsText(unit, asks)
}

// Asks are the secrets that a unit's files on this machine ask for.
func (f *Files) Asks(unit cluster.UnitName) ([]unitfile.Secret, error) {
	bundle, _, err := f.bundle(unit)
	if err != nil {
		return nil, fmt.Errorf("read the files of %s: %w", unit, err)
	}
	return unitfile.SecretsOf(unit, bundle.Content()), nil
}

// values is the folder of a unit's secrets, versions the file that says which they are.
func (f Folders) values(unit cluster.UnitName) string {
	return filepath.Join(f.Secrets, string(unit.Service()))
}
func (f Folders) versions(unit cluster.UnitName) string { return f.values(unit) + ".versions" }

// Give puts a unit's secrets where systemd finds them when it starts the unit next:
// these, by credential, and no others. They lie in memory, and root alone reads them;
// what runs already keeps what it was given.
func (f *Files) Give(unit cluster.UnitName, values map[string][]byte, versions cluster.SecretVersions) error {
	if err := f.give(unit, values, versions); err != nil {
		return fmt.Errorf("keep the secrets of %s: %w", unit, err)
	}
	return nil
}

func (f *Files) give(unit cluster.UnitName, values map[string][]byte, versions cluster.SecretVersions) error {
	folder := f.folders.values(unit)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range namesIn(folder) {
		if _, stays := values[name]; !stays {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	for credential, value := range values {
		if _, err := cluster.ParseSecretName(credential); err != nil {
			return err // it becomes a path
		}
		if err := replaceAs(filepath.Join(folder, credential), value, 0o400); err != nil {
			return err
		}
	}
	return replaceAs(f.folders.versions(unit), []byte(versions), 0o600)
}

// Given says which versions a unit was given; nothing where it was given none.
func (f *Files) Given(unit cluster.UnitName) cluster.SecretVersions {
	text, _ := os.ReadFile(f.folders.versions(unit)) // what cannot be read says nothing
	return cluster.SecretVersions(text)
}

// withdraw takes a unit's secrets away, if it was given any.
func (f *Files) withdraw(unit cluster.UnitName) error {
	return errors.Join(os.RemoveAll(f.folders.values(unit)), absent(os.Remove(f.folders.versions(unit))))
}
