package signing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Policy is what must be so of a unit before it is started: key policy, written by
// the API. The zero value asks for nothing.
type Policy struct {
	Revision int64 `json:"-"` // of the store at the last write

	// Keys are those of whom one must have signed each of a unit's files; none: they
	// need not be signed.
	Keys []Key `json:"keys,omitempty"`
	// Digests has images be named by digest where a unit's file says which one it is.
	Digests bool      `json:"digests,omitempty"`
	By      string    `json:"by,omitempty"` // who said so
	At      time.Time `json:"at,omitzero"`
}

const (
	maxKeys = 64
	// digestsWord is a line of a policy's text.
	digestsWord = "images-by-digest"
	// MaxTextBytes limits a policy's text.
	MaxTextBytes = 64 << 10
)

// Asks says whether anything is asked for.
func (p Policy) Asks() bool { return len(p.Keys) > 0 || p.Digests }

// Same says whether both ask for the same.
func (p Policy) Same(other Policy) bool {
	return p.Digests == other.Digests && slices.Equal(p.Keys, other.Keys)
}

// Check says why a policy cannot be stored.
func (p Policy) Check() error {
	if len(p.Keys) > maxKeys {
		return fmt.Errorf("%d keys; expected at most %d", len(p.Keys), maxKeys)
	}
	for i, key := range p.Keys {
		if at := slices.IndexFunc(p.Keys[:i], key.Same); at >= 0 {
			return fmt.Errorf("key %s is there twice", key.Called())
		}
	}
	return nil
}

// Text is a policy as people write it: a line for each key, and one with
// images-by-digest. Lines that begin with # are remarks.
func (p Policy) Text() string {
	var out strings.Builder
	for _, key := range p.Keys {
		fmt.Fprintln(&out, key)
	}
	if p.Digests {
		fmt.Fprintln(&out, digestsWord)
	}
	return out.String()
}

// ParsePolicy reads such a text; name is for messages. One that asks for nothing is
// refused: it may have been cut off.
func ParsePolicy(name, text string) (p Policy, err error) {
	if len(text) > MaxTextBytes {
		return p, fmt.Errorf("%s: it is longer than %d bytes", name, MaxTextBytes)
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		switch line = strings.TrimSpace(line); {
		case line == "", line[0] == '#':
		case line == digestsWord:
			p.Digests = true
		default:
			key, err := ParseKey(line)
			if err != nil {
				return Policy{}, fmt.Errorf("%s:%d: %w, or %s", name, number, err, digestsWord)
			}
			p.Keys = append(p.Keys, key)
		}
	}
	if err = p.Check(); err == nil && !p.Asks() {
		err = fmt.Errorf("it asks for nothing; expected a line as in ~/.ssh/id_ed25519.pub, or %s", digestsWord)
	}
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// part is one of a unit's files, and what it may be signed as.
type part struct {
	name  string // for people
	as    []string
	text  string
	found []Signature
}

// partsOf sorts signatures to the files that they are for. A template's pass for its
// instances.
func partsOf(unit cluster.UnitName, bundle unitfile.Bundle) ([]part, error) {
	signatures, err := Decode(bundle.Signatures)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", unit, err)
	}
	names := []string{string(unit)}
	if template, instance := unit.Template(); instance {
		names = append(names, string(template))
	}
	parts := []part{{name: string(unit), as: names, text: bundle.Text}}
	for _, d := range bundle.DropIns {
		p := part{name: string(unit) + ".d/" + d.Name, text: d.Text}
		for _, name := range names {
			p.as = append(p.as, name+".d/"+d.Name)
		}
		parts = append(parts, p)
	}
	for _, s := range signatures {
		at := slices.IndexFunc(parts, func(p part) bool { return slices.Contains(p.as, s.File) })
		if at < 0 {
			return nil, fmt.Errorf("%s: there is a signature of %s, which is none of its files", unit, quoted(s.File))
		}
		parts[at].found = append(parts[at].found, s)
	}
	return parts, nil
}

// Check says what is wrong with the signatures that a unit comes with, whoever made
// them: each is to be of one of its files, as it is.
func Check(unit cluster.UnitName, bundle unitfile.Bundle) error {
	if bundle.Signatures == "" {
		return nil
	}
	parts, err := partsOf(unit, bundle)
	for _, p := range parts {
		for _, s := range p.found {
			if !s.Of(p.text) {
				err = errors.Join(err, fmt.Errorf("%s: its signature by %s is of another text; sign it again, or take the signature away", p.name, s.Key.Fingerprint()))
			}
		}
	}
	return err
}

// Only is those signatures that are of one of these files.
func Only(signatures string, files ...string) (string, error) {
	all, err := Decode(signatures)
	var only strings.Builder
	for _, s := range all {
		if slices.Contains(files, s.File) {
			only.WriteString(s.armor)
		}
	}
	return only.String(), err
}

// Permits is nil for a unit that may be started, and else an access.Refused.
func (p Policy) Permits(unit cluster.UnitName, bundle unitfile.Bundle) error {
	if len(p.Keys) > 0 {
		parts, err := partsOf(unit, bundle)
		if err != nil {
			return &access.Refused{Message: err.Error(), Hint: signIt(unit)}
		}
		for _, file := range parts {
			if wrong := p.missing(file); wrong != "" {
				return &access.Refused{Message: wrong + "; trusted: " + p.trusted(), Hint: signIt(unit)}
			}
		}
	}
	if p.Digests {
		return pinned(unit, bundle)
	}
	return nil
}

func signIt(unit cluster.UnitName) string {
	file := string(unit)
	if template, instance := unit.Template(); instance {
		file = string(template)
	}
	return fmt.Sprintf("sign it, 'fleetctl sign --key FILE %s', and store it again, with --replace where it is stored already", file)
}

// missing says why none of a file's signatures counts; empty where one does.
func (p Policy) missing(file part) string {
	wrong := file.name + " is not signed"
	for _, s := range file.found {
		trusted := slices.ContainsFunc(p.Keys, s.Key.Same)
		switch {
		case trusted && s.Of(file.text):
			return ""
		case trusted:
			wrong = fmt.Sprintf("the signature of %s by %s is of another text", file.name, s.Key.Fingerprint())
		default:
			wrong = fmt.Sprintf("%s is signed by %s, which is not trusted", file.name, s.Key.Fingerprint())
		}
	}
	return wrong
}

// trusted names the first of the keys.
func (p Policy) trusted() string {
	const most = 5
	var names []string
	for _, key := range p.Keys[:min(most, len(p.Keys))] {
		names = append(names, key.Called())
	}
	if len(p.Keys) > most {
		names = append(names, fmt.Sprintf("and %d more", len(p.Keys)-most))
	}
	return strings.Join(names, ", ")
}
