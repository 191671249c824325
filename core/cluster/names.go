package cluster

import (
	"crypto/sha1" //nolint:gosec // fleet's own content address, not a signature; see docs/decisions/0003
	"encoding/hex"
	"fmt"
	"strings"
)

// UnitName is a unit's full name with its suffix, as systemd.unit(5) has it:
// "web.service", the template "web@.service", its instance "web@1.service".
type UnitName string

// MaxUnitNameBytes is systemd's limit on the length of a unit's name
// (UNIT_NAME_MAX, which counts the NUL). fleet took one byte more and systemd
// then refused the unit.
const MaxUnitNameBytes = 255

// unitTypes are the suffixes that are accepted, fleet's and then Quadlet's;
// templated says which of them may carry an "@".
var unitTypes = map[string]struct{ templated bool }{
	"service": {true}, "socket": {true}, "timer": {true}, "path": {true}, "target": {true},
	"mount": {}, "automount": {}, "device": {}, "swap": {}, "slice": {}, "scope": {},
	"busname": {}, "snapshot": {},
	"container": {true}, "kube": {true}, "volume": {}, "network": {}, "pod": {}, "image": {},
}

// quadletTypes are the suffixes that Podman reads in systemd's stead, with what
// its generator puts behind the name of the service that it makes, see
// podman-systemd.unit(5).
var quadletTypes = map[string]string{
	".container": "", ".kube": "", ".volume": "-volume", ".network": "-network", ".pod": "-pod", ".image": "-image",
}

// ParseUnitName checks that s names a unit or a template and returns it.
func ParseUnitName(s string) (UnitName, error) {
	bad := func(expected string) (UnitName, error) {
		return "", fmt.Errorf("%q is no unit name: %s", s, expected)
	}
	if len(s) > MaxUnitNameBytes {
		return bad(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(s), MaxUnitNameBytes))
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return bad("expected a suffix such as .service")
	}
	kind, known := unitTypes[s[dot+1:]]
	if !known {
		return bad(fmt.Sprintf("systemd has no unit type %q", s[dot+1:]))
	}
	if dot == 0 || s[0] == '@' {
		return bad("expected a name before the suffix")
	}
	for i := range len(s) {
		if !isUnitNameByte(s[i]) {
			return bad(fmt.Sprintf("the character %q at byte %d is not one of letters, digits and :-_.\\@", s[i], i+1))
		}
	}
	if strings.Contains(s, "@") && !kind.templated {
		return bad(fmt.Sprintf("units of type %s have no templates", s[dot+1:]))
	}
	return UnitName(s), nil
}

func isUnitNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte(`:-_.\@`, c) >= 0
}

// Suffix is the unit's type with its dot: ".service".
func (n UnitName) Suffix() string {
	if dot := strings.LastIndexByte(string(n), '.'); dot >= 0 {
		return string(n[dot:])
	}
	return ""
}

// Prefix is what stands before the "@", or before the suffix where there is none.
// It is systemd's %p.
func (n UnitName) Prefix() string {
	bare := strings.TrimSuffix(string(n), n.Suffix())
	prefix, _, _ := strings.Cut(bare, "@")
	return prefix
}

// Instance is what stands between the "@" and the suffix: systemd's %i. It is
// empty for templates and for units that are no instances.
func (n UnitName) Instance() string {
	bare := strings.TrimSuffix(string(n), n.Suffix())
	_, instance, _ := strings.Cut(bare, "@")
	return instance
}

// IsTemplate says whether the name is one that instances are made from: "web@.service".
func (n UnitName) IsTemplate() bool {
	bare, ok := strings.CutSuffix(strings.TrimSuffix(string(n), n.Suffix()), "@")
	return ok && !strings.Contains(bare, "@")
}

// Template is the template an instance is made from, and whether the unit is an instance.
func (n UnitName) Template() (UnitName, bool) {
	if n.Instance() == "" {
		return "", false
	}
	return UnitName(n.Prefix() + "@" + n.Suffix()), true
}

// Quadlet says whether Podman's generator makes a service of the unit on its machine.
func (n UnitName) Quadlet() bool {
	_, is := quadletTypes[n.Suffix()]
	return is
}

// Service is the name by which systemd knows the unit: its own, or for a Quadlet
// file that of the service which Podman's generator makes of it by default.
func (n UnitName) Service() UnitName {
	behind, is := quadletTypes[n.Suffix()]
	if !is {
		return n
	}
	return UnitName(strings.TrimSuffix(string(n), n.Suffix()) + behind + ".service")
}

// MachineID is a machine's /etc/machine-id: 32 lower-case hexadecimal digits, see machine-id(5).
type MachineID string

// ParseMachineID checks that s is a machine id and returns it.
func ParseMachineID(s string) (MachineID, error) {
	if len(s) != 32 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is no machine id: expected 32 lower-case hexadecimal digits as in /etc/machine-id", s)
	}
	return MachineID(s), nil
}

// Short is the id as fleet's tables show it: its first eight characters and dots.
func (id MachineID) Short() string {
	if len(id) <= 8 {
		return string(id)
	}
	return string(id[:8]) + "..."
}

// Hash addresses a unit's text: its SHA-1 in hexadecimal, as fleet prints it.
type Hash string

// ParseHash checks that s can be a hash and returns it.
func ParseHash(s string) (Hash, error) {
	if s == "" || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is no hash: expected lower-case hexadecimal digits", s)
	}
	return Hash(s), nil
}

// HashOf is the hash of a unit's text.
func HashOf(text string) Hash {
	sum := sha1.Sum([]byte(text))
	return Hash(hex.EncodeToString(sum[:]))
}
