package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"argosy/core/access"
)

// Folder is where a machine keeps what it is known by. On members the keys of both
// authorities are there too.
type Folder string

// DefaultFolder is where the units that ship look.
const DefaultFolder Folder = "/etc/argosy/pki"

// Certificates of a machine: NAME.crt with NAME.key in its folder.
const (
	MachineName = "machine" // the machine's own
	LocalName   = "local"   // of plain programs on it
	PeerName    = "peer"    // of a member, among members
)

// The authorities, also in their own folders' names of files.
const (
	clusterAuthority = "ca"
	peersAuthority   = "peer-ca"
)

// SecretsKeyFile is beside them: what members seal the cluster's secrets with. It is
// passed on here, and read by edge/sealing.
const SecretsKeyFile = "secrets.key"

// readers are the groups, beside root, that may read a key.
var readers = map[string]string{MachineName: "etcd", PeerName: "etcd", LocalName: "argosy-endpoint"}

func (f Folder) path(name string) string { return filepath.Join(string(f), name) }

// CertificateFile and KeyFile are where a certificate and its key are.
func (f Folder) CertificateFile(name string) string { return f.path(name + ".crt") }
func (f Folder) KeyFile(name string) string         { return f.path(name + ".key") }

// BundleFile is where the authorities are that the cluster is known by.
func (f Folder) BundleFile() string { return f.path(CertificateFile) }

// Exists says whether there is anything that another life, or this one, left.
func (f Folder) Exists() (bool, error) {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(entries) > 0, err
}

// bundleOf is the file of the authorities that a certificate is issued by.
func bundleOf(name string) string {
	if name == PeerName {
		return peersAuthority + ".crt"
	}
	return clusterAuthority + ".crt"
}

// Names are the certificates that are there.
func (f Folder) Names() []string {
	var names []string
	for _, name := range []string{MachineName, LocalName, PeerName} {
		if _, err := os.Stat(f.CertificateFile(name)); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// Held reads one of the certificates.
func (f Folder) Held(name string) (access.Held, error) {
	certificate, err := os.ReadFile(f.CertificateFile(name))
	if err != nil {
		return access.Held{}, fmt.Errorf("read the certificate %s: %w", name, err)
	}
	bundle, err := os.ReadFile(f.path(bundleOf(name)))
	if err != nil {
		return access.Held{}, fmt.Errorf("read the authorities of %s: %w", name, err)
	}
	held, err := Verified(certificate, bundle)
	if err != nil {
		return access.Held{}, fmt.Errorf("%s: %w", f.CertificateFile(name), err)
	}
	return held, nil
}

// Renewal asks for a certificate in place of one that is there, for the same key.
func (f Folder) Renewal(name string) (access.Renewal, error) {
	certificate, err := os.ReadFile(f.CertificateFile(name))
	if err != nil {
		return access.Renewal{}, fmt.Errorf("read the certificate %s: %w", name, err)
	}
	key, err := os.ReadFile(f.KeyFile(name))
	if err != nil {
		return access.Renewal{}, fmt.Errorf("read the key of %s: %w", name, err)
	}
	request, err := NewRequest(key)
	if err != nil {
		return access.Renewal{}, fmt.Errorf("%s: %w", f.KeyFile(name), err)
	}
	return access.Renewal{Certificate: string(certificate), Request: string(request)}, nil
}

// Replace takes up another certificate for a key that stays, if one of the
// authorities that are trusted here issued it for that key and to the same holder.
func (f Folder) Replace(name string, certificate []byte) error {
	doing := func(err error) error { return fmt.Errorf("replace the certificate %s: %w", name, err) }
	was, err := f.Held(name)
	if err != nil {
		return doing(err)
	}
	bundle, err := os.ReadFile(f.path(bundleOf(name)))
	if err != nil {
		return doing(err)
	}
	is, err := Verified(certificate, bundle)
	if err != nil {
		return doing(err)
	}
	renewal, err := f.Renewal(name)
	if err != nil {
		return doing(err)
	}
	fits, err := Of([]byte(renewal.Request), certificate)
	switch {
	case err != nil:
		return doing(err)
	case !fits:
		return doing(errors.New("the new one is for another key"))
	case is.Who.Kind != was.Who.Kind || is.Who.Name != was.Who.Name:
		return doing(fmt.Errorf("the new one is of %s, not of %s", is.Who, was.Who))
	}
	return f.Write(name+".crt", certificate)
}

// Signs says whether the authorities' own keys are here: whether it is a member's.
func (f Folder) Signs() bool {
	_, err := os.Stat(f.KeyFile(clusterAuthority))
	return err == nil
}

// Authority opens the cluster's authority, PeerAuthority that of the store's peers.
func (f Folder) Authority() (*Authority, error)     { return open(f, clusterAuthority) }
func (f Folder) PeerAuthority() (*Authority, error) { return open(f, peersAuthority) }

func open(f Folder, name string) (*Authority, error) {
	return openFiles(f.CertificateFile(name), f.KeyFile(name))
}

// Found makes both authorities where they are missing. One that a crash left half
// made is made whole.
func (f Folder) Found() error {
	for _, name := range []string{clusterAuthority, peersAuthority} {
		_, err := createFiles(f.CertificateFile(name), f.KeyFile(name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Its key is root's alone; the certificate is for everybody who connects.
		if err := os.Chmod(f.CertificateFile(name), 0o644); err != nil {
			return err
		}
	}
	return os.Chmod(string(f), 0o755)
}

// Grant makes a certificate with a key of its own where it is missing.
func (f Folder) Grant(name string, grant access.Grant) error {
	if _, err := os.Stat(f.CertificateFile(name)); err == nil {
		return nil
	}
	key, err := NewKey()
	if err != nil {
		return err
	}
	request, err := NewRequest(key)
	if err != nil {
		return err
	}
	sign := f.Sign
	if name == PeerName {
		sign = f.SignPeer
	}
	certificate, err := sign(string(request), grant)
	if err != nil {
		return err
	}
	if err := f.Write(name+".key", key); err != nil {
		return err
	}
	return f.Write(name+".crt", []byte(certificate))
}

// RenewOwn has a member sign one of its own certificates anew, with no need of
// anybody else, and takes it up.
func (f Folder) RenewOwn(name string) error {
	held, err := f.Held(name)
	if err != nil {
		return err
	}
	renewal, err := f.Renewal(name)
	if err != nil {
		return err
	}
	by := f.Authority
	if name == PeerName {
		by = f.PeerAuthority
	}
	a, err := by()
	if err != nil {
		return err
	}
	certificate, err := a.Sign([]byte(renewal.Request), access.Grant{
		Who: held.Who, Hosts: held.Hosts, Life: held.Who.Kind.RenewedLife(held.From, held.Until),
	})
	if err != nil {
		return err
	}
	return f.Replace(name, certificate)
}

// Due lists the certificates that are to be renewed by now, with draw as in
// access.RenewAt, or because another authority signs now; and when the next one is.
func (f Folder) Due(now time.Time, draw float64) (due []string, next time.Time, err error) {
	var faults []error
	for _, name := range f.Names() {
		held, err := f.Held(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		signs, err := f.signs(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		at := access.RenewAt(held.From, held.Until, draw)
		if !at.After(now) || held.By != signs {
			due = append(due, name)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next, errors.Join(faults...)
}

// Write replaces a file of the folder as a whole. A key is for root, and for the
// group that runs what shows it.
func (f Folder) Write(name string, text []byte) (err error) {
	mode, group := fs.FileMode(0o644), 0
	if key, isKey := strings.CutSuffix(name, ".key"); isKey {
		mode = 0o600
		if reader, shared := readers[key]; shared {
			if group, err = groupID(reader); err != nil {
				return err
			}
			mode = 0o640
		}
	}
	return replace(f.path(name), text, mode, group)
}

// groupID is the number of a group. Where there is none, as on a machine that runs
// no etcd, the key is root's alone.
func groupID(name string) (int, error) {
	group, err := user.LookupGroup(name)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up the group %s: %w", name, err)
	}
	return strconv.Atoi(group.Gid)
}

// PeerAuthorities are those that the store's members know each other by; none on a
// machine that is no member.
func (f Folder) PeerAuthorities() ([]access.Held, error) {
	bundle, err := os.ReadFile(f.CertificateFile(peersAuthority))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the authorities of the store's members: %w", err)
	}
	return Authorities(bundle)
}
