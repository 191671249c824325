package unitfile

import (
	"fmt"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// Secret is a secret that a unit asks for, and under which name its processes find
// it: the ID of a credential, see systemd.exec(5).
type Secret struct {
	Credential string
	Name       cluster.SecretName
}

// secret takes in one word of Secret=: a secret's name, or as in LoadCredential=
// ID:NAME where the unit's processes are to find it under another one. Of two words
// with one ID the later one holds.
func (r *requirementsReader) secret(value string, o Option) bool {
	id, name, renamed := strings.Cut(value, ":")
	if !renamed {
		name = id
	}
	_, badID := cluster.ParseSecretName(id)
	secret, badName := cluster.ParseSecretName(name)
	if badID != nil || badName != nil {
		r.unread(value, o, "a secret's name such as db-password, or ID:NAME, of letters, digits and ._@-, beginning with a letter or digit")
		return false
	}
	r.found.Secrets = slices.DeleteFunc(r.found.Secrets, func(s Secret) bool { return s.Credential == id })
	r.found.Secrets = append(r.found.Secrets, Secret{id, secret})
	return true
}

// credible refuses Secret= in units that systemd gives no credentials.
func (r *requirementsReader) credible() {
	if len(r.found.Secrets) == 0 {
		return
	}
	switch suffix := r.unit.Suffix(); suffix {
	case ".service", ".container", ".kube":
	default:
		r.refuse(Option{Line: r.first["Secret"]}, fmt.Sprintf("a %s unit has no processes that could read a Secret=", suffix),
			"Secret= in the service that it is for")
	}
}

// SecretsOf are the secrets that a unit with this content asks for, by credential.
// There are none in a content that cannot be read: it was checked when it came in.
func SecretsOf(unit cluster.UnitName, content string) []Secret {
	if !strings.Contains(content, "Secret") {
		return nil // as most: nothing is parsed
	}
	bundle, err := ReadBundle(content)
	if err != nil {
		return nil
	}
	file, err := bundle.Parse(string(unit))
	if err != nil {
		return nil
	}
	wants, err := file.Requirements(unit)
	if err != nil {
		return nil
	}
	return wants.Secrets
}
