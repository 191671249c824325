package unitfile

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Bundle is a unit file and its drop-ins: what is submitted, stored under one
// hash, and put on a machine as one.
type Bundle struct {
	Text    string
	DropIns []DropIn // by name, each name once
	// Signatures are those of these files, one behind another: see core/signing.
	Signatures string
}

// DropIn is one file of a unit's NAME.d folder. Its name decides where systemd
// reads it among the others, see systemd.unit(5).
type DropIn struct {
	Name string `json:"name"` // 10-limits.conf
	Text string `json:"text"`
}

// bundleHead begins what is stored of a unit with drop-ins. It is an assignment
// in no section, so that no unit file can begin with it: Parse refuses that.
// Behind it stands each file with its name and length:
//
//	fleet-bundle=1
//	unit 33 bytes
//	[Service]
//	ExecStart=/usr/bin/web
//
//	10-limits.conf 25 bytes
//	[Service]
//	MemoryMax=512M
//
// The signatures of all of them, where there are any, come last.
const bundleHead = "fleet-bundle=1\n"

// unitPart stands for the unit's own file, which has no name of its own: a
// template's instances share what is stored. A drop-in's name ends in .conf.
const unitPart, signaturesPart = "unit", "signatures"

// Content is what is stored: the text alone where there is nothing beside it, so
// that its hash is the text's.
func (b Bundle) Content() string {
	if len(b.DropIns) == 0 && b.Signatures == "" {
		return b.Text
	}
	parts := slices.Concat([]DropIn{{unitPart, b.Text}}, b.DropIns)
	if b.Signatures != "" {
		parts = append(parts, DropIn{signaturesPart, b.Signatures})
	}
	var out strings.Builder
	out.WriteString(bundleHead)
	for _, part := range parts {
		fmt.Fprintf(&out, "%s %d bytes\n%s\n", part.Name, len(part.Text), part.Text)
	}
	return out.String()
}

// ReadBundle takes apart what is stored. A content that is no bundle is a unit's
// text, whatever it holds.
func ReadBundle(content string) (Bundle, error) {
	rest, is := strings.CutPrefix(content, bundleHead)
	if !is {
		return Bundle{Text: content}, nil
	}
	var b Bundle
	for first := true; first || rest != ""; first = false {
		part, behind, err := readPart(rest)
		switch {
		case err != nil:
			return Bundle{}, fmt.Errorf("read a bundle at byte %d: %w", len(content)-len(rest), err)
		case first && part.Name != unitPart:
			return Bundle{}, fmt.Errorf("read a bundle: it begins with %s, expected %s", quoted(part.Name), unitPart)
		case first:
			b.Text = part.Text
		case part.Name == signaturesPart && (behind != "" || part.Text == ""):
			return Bundle{}, errors.New("read a bundle: expected signatures at its end, or none")
		case part.Name == signaturesPart:
			b.Signatures = part.Text
		default:
			b.DropIns = append(b.DropIns, part)
		}
		rest = behind
	}
	if len(b.DropIns) == 0 && b.Signatures == "" {
		return Bundle{}, errors.New("read a bundle: it has no drop-ins and no signatures")
	}
	return b, b.names()
}

// readPart reads one file off the front of a bundle. Its head is compared with
// the one that Content writes: there is one way to write each bundle.
func readPart(text string) (part DropIn, rest string, err error) {
	head, behind, found := strings.Cut(text, "\n")
	length := 0
	if _, err := fmt.Sscanf(head, "%s %d bytes", &part.Name, &length); err != nil || !found ||
		head != fmt.Sprintf("%s %d bytes", part.Name, length) {
		return DropIn{}, "", fmt.Errorf("%s heads no file; expected NAME LENGTH bytes", quoted(head))
	}
	if length < 0 || length >= len(behind) || behind[length] != '\n' {
		return DropIn{}, "", fmt.Errorf("%s does not end after %d bytes", quoted(part.Name), length)
	}
	part.Text = behind[:length]
	return part, behind[length+1:], nil
}

// names says what is wrong with the drop-ins' names.
func (b Bundle) names() error {
	for i, d := range b.DropIns {
		if err := CheckDropInName(d.Name); err != nil {
			return err
		}
		if i > 0 && b.DropIns[i-1].Name >= d.Name {
			return fmt.Errorf("drop-in %q behind %q; expected each name once, in order", d.Name, b.DropIns[i-1].Name)
		}
	}
	return nil
}

// maxFileName is the longest name of a file in Linux (NAME_MAX).
const maxFileName = 255

// CheckDropInName says why a drop-in cannot have this name.
func CheckDropInName(name string) error {
	stem, is := strings.CutSuffix(name, ".conf")
	plain := strings.Trim(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") == ""
	if !is || stem == "" || stem[0] == '.' || !plain || len(name) > maxFileName {
		return fmt.Errorf("%s cannot be a drop-in's name; expected one such as 10-limits.conf of letters, digits and :-_.\\@", quoted(name))
	}
	return nil
}

// Parse reads all files as systemd does: the unit's own, then the drop-ins in
// the order of their names, each beginning outside of any section. Faults name
// the file that they are in: name, or a drop-in in the folder name.d.
func (b Bundle) Parse(name string) (*File, error) {
	files := make([]NamedText, len(b.DropIns))
	for i, d := range b.DropIns {
		files[i] = NamedText{name + ".d/" + d.Name, d.Text}
	}
	if err := b.names(); err != nil {
		return nil, fmt.Errorf("%s.d: %w", name, err)
	}
	return ParseAll(NamedText{name, b.Text}, files...)
}

// NamedText is a file's text with its name for messages.
type NamedText struct{ Name, Text string }

// ParseAll is Bundle.Parse for files that lie in places of their own.
func ParseAll(unit NamedText, dropIns ...NamedText) (*File, error) {
	all := slices.Concat([]NamedText{unit}, dropIns)
	b := Bundle{Text: unit.Text}
	var faults []error
	whole := &File{}
	for i, one := range all {
		file, err := Parse(one.Name, one.Text)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		whole.add(file)
		if i > 0 {
			b.DropIns = append(b.DropIns, DropIn{path.Base(one.Name), one.Text})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if size := len(b.Content()); size > MaxTextBytes && len(dropIns) > 0 {
		return nil, fmt.Errorf("%s:1: the file and its drop-ins have %d bytes; expected at most %d", unit.Name, size, MaxTextBytes)
	}
	return whole, nil
}

// Print shows all files as `systemctl cat` does, each under its name.
func (b Bundle) Print(name string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n%s", name, b.Text)
	for _, d := range b.DropIns {
		if !strings.HasSuffix(out.String(), "\n") {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "\n# %s.d/%s\n%s", name, d.Name, d.Text)
	}
	return out.String()
}
