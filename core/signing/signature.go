// Package signing says which units may be started: those whose files people have
// signed whose keys are trusted, and whose images are named by digest. A signature is
// OpenSSH's, see PROTOCOL.sshsig of its sources, so that ssh-keygen makes it:
//
//	ssh-keygen -Y sign -n argosy:web.service -f ~/.ssh/id_ed25519 web.service
//
// Its namespace says of which file it is, so that it passes for no other.
package signing

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxBytes limits all signatures of a unit and its drop-ins together. One has 300.
	MaxBytes = 64 << 10

	space   = "argosy:" // begins each namespace; a file's name follows
	begins  = "-----BEGIN SSH SIGNATURE-----\n"
	ends    = "-----END SSH SIGNATURE-----"
	magic   = "SSHSIG"
	hashing = "sha512"
	keyType = "ssh-ed25519"
)

// Namespace is what a signature of a file is to be made for: `web.service`, or
// `web.service.d/10-limits.conf`.
func Namespace(file string) string { return space + file }

// Signature is that somebody stands for a file's text.
type Signature struct {
	Key  Key    // of who signed, without what it is called
	File string // web.service, web@.service, web.service.d/10-limits.conf

	armor string // as it was read
	sig   string
}

// Decode reads signatures, one behind another, as ssh-keygen writes each. That
// they are of anything is not said by it.
func Decode(text string) ([]Signature, error) {
	switch {
	case len(text) > MaxBytes:
		return nil, fmt.Errorf("the signatures have %d bytes; expected at most %d", len(text), MaxBytes)
	case strings.Contains(text, "\r"):
		return nil, errors.New("the signature's lines end in CRLF; expected LF alone, as ssh-keygen writes them")
	}
	var all []Signature
	for text != "" {
		body, found := strings.CutPrefix(text, begins)
		if !found {
			return nil, fmt.Errorf("%s begins no signature; expected %s", quoted(text), strings.TrimSpace(begins))
		}
		body, rest, found := strings.Cut(body, "\n"+ends)
		if !found {
			return nil, fmt.Errorf("the signature is cut off: there is no %s", ends)
		}
		if rest != "" && !strings.HasPrefix(rest, "\n") {
			return nil, fmt.Errorf("%s stands behind %s; expected the line's end", quoted(rest), ends)
		}
		rest = strings.TrimPrefix(rest, "\n")
		s, err := decodeOne(body)
		if err != nil {
			return nil, err
		}
		s.armor = begins + body + "\n" + ends + "\n"
		all, text = append(all, s), rest
	}
	return all, nil
}

func decodeOne(body string) (s Signature, err error) {
	blob, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return s, fmt.Errorf("the signature is no base64: %w", err)
	}
	in, found := strings.CutPrefix(string(blob), magic)
	if !found {
		return s, fmt.Errorf("the signature does not begin with %s", magic)
	}
	r := reader{rest: in}
	version, key, namespace := r.number(), r.text(), r.text()
	reserved, hash, sig := r.text(), r.text(), r.text()
	file, ours := strings.CutPrefix(namespace, space)
	switch {
	case r.short:
		return s, errors.New("the signature is cut off")
	case r.rest != "":
		return s, fmt.Errorf("the signature has %d bytes behind its end", len(r.rest))
	case version != 1:
		return s, fmt.Errorf("the signature is of version %d; expected 1", version)
	case !ours || file == "":
		return s, fmt.Errorf("the signature is for %s; expected argosy: and the file's name: ssh-keygen -Y sign -n argosy:web.service", quoted(namespace))
	case reserved != "":
		return s, errors.New("the signature has more in it than is known here")
	case hash != hashing:
		return s, fmt.Errorf("the signature's hash is %s; expected %s, which ssh-keygen takes by itself", quoted(hash), hashing)
	}
	if s.Key, err = keyOf(key); err != nil {
		return s, fmt.Errorf("the signature's key: %w", err)
	}
	kind, raw, err := pair(sig)
	if err != nil || kind != keyType || len(raw) != ed25519.SignatureSize {
		return s, fmt.Errorf("the signature is of %s with %d bytes; expected %s with %d", quoted(kind), len(raw), keyType, ed25519.SignatureSize)
	}
	s.File, s.sig = file, raw
	return s, nil
}

// Of says whether the signature is of a text: not by whom it is, nor of which file.
func (s Signature) Of(text string) bool {
	hash := sha512.Sum512([]byte(text))
	signed := magic + wire(Namespace(s.File)) + wire("") + wire(hashing) + wire(string(hash[:]))
	return ed25519.Verify(s.Key.public[:], []byte(signed), []byte(s.sig))
}

// wire is a text as SSH writes it: its length, then itself, see RFC 4251.
func wire(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// reader takes what SSH writes apart. Once something is missing it is short.
type reader struct {
	rest  string
	short bool
}

func (r *reader) number() uint32 {
	if len(r.rest) < 4 {
		r.rest, r.short = "", true
		return 0
	}
	n := binary.BigEndian.Uint32([]byte(r.rest[:4]))
	r.rest = r.rest[4:]
	return n
}

func (r *reader) text() string {
	n := r.number()
	if uint64(n) > uint64(len(r.rest)) {
		r.rest, r.short = "", true
		return ""
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// pair is a key or a signature in its envelope: what kind it is, and its bytes.
func pair(blob string) (kind, raw string, err error) {
	r := reader{rest: blob}
	kind = r.text()
	if raw = r.text(); kind == keyType && (r.short || r.rest != "") {
		return kind, raw, errors.New("it is not as long as it says")
	}
	return kind, raw, nil
}

// quoted is a piece of somebody's text, short enough for a line.
func quoted(text string) string {
	const most = 40
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
