package unitfile_test

import (
	"reflect"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

func TestSecrets(t *testing.T) {
	type secrets = []unitfile.Secret
	const expected = "; expected a secret's name such as db-password, or ID:NAME, of letters, digits and ._@-, beginning with a letter or digit"
	for _, test := range []struct {
		unit  cluster.UnitName
		lines string // of [X-Fleet]
		want  secrets
		fault string
	}{
		{"web.service", "Secret=db-password", secrets{{"db-password", "db-password"}}, ""},
		{"web.service", "Secret=password:db-password tls:web-tls", secrets{{"password", "db-password"}, {"tls", "web-tls"}}, ""},
		{"web.service", "Secret=a b\nSecret=\nSecret=c", secrets{{"c", "c"}}, ""},
		{"web.service", "Secret=k:old\nSecret=k:new", secrets{{"k", "new"}}, ""},
		{"web@7.service", "Secret=key:%p-%i", secrets{{"key", "web-7"}}, ""},
		{"web@.service", "Secret=key:%p-%i", nil, ""},
		{"web.container", "Secret=a", secrets{{"a", "a"}}, ""},
		{"web.kube", "Secret=a", secrets{{"a", "a"}}, ""},
		{"web.timer", "Secret=a", nil, "web.timer:2: a .timer unit has no processes that could read a Secret=; expected Secret= in the service that it is for"},
		{"web.service", "Secret=../shadow", nil, `web.service:2: Secret="../shadow" cannot be read` + expected},
		{"web.service", "Secret=a:/etc/shadow", nil, `web.service:2: Secret="a:/etc/shadow" cannot be read` + expected},
		{"web.service", "Secret=a:b:c", nil, `web.service:2: Secret="a:b:c" cannot be read` + expected},
		{"web.service", "Secret=:b", nil, `web.service:2: Secret=":b" cannot be read` + expected},
		{`web@a\x2db.service`, "Secret=%i", nil, `cannot be read` + expected},
		{"web.service", "Secret=%H", nil, `unknown specifier "%H"`},
	} {
		text := "[X-Fleet]\n" + test.lines + "\n[Service]\nExecStart=/bin/true\n"
		file, err := unitfile.Parse(string(test.unit), text)
		if err != nil {
			t.Fatal(err)
		}
		wants, err := file.Requirements(test.unit)
		if test.fault != "" {
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s of %s: %v, expected %q", test.lines, test.unit, err, test.fault)
			}
			if got := unitfile.SecretsOf(test.unit, text); got != nil {
				t.Errorf("%s of %s: %v, which was refused", test.lines, test.unit, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(wants.Secrets, test.want) {
			t.Errorf("%s of %s: %v, %v, expected %v", test.lines, test.unit, wants.Secrets, err, test.want)
		}
		if got := unitfile.SecretsOf(test.unit, text); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s of %s: as stored %v, expected %v", test.lines, test.unit, got, test.want)
		}
	}
}

// Drop-ins ask as well, and what is stored of them is read.
func TestSecretsOfABundle(t *testing.T) {
	bundle := unitfile.Bundle{Text: "[Service]\nExecStart=/bin/true\n", DropIns: []unitfile.DropIn{{Name: "10-key.conf", Text: "[X-Fleet]\nSecret=key\n"}}}
	if got := unitfile.SecretsOf("web.service", bundle.Content()); len(got) != 1 || got[0].Name != "key" {
		t.Errorf("%v", got)
	}
	if got := unitfile.SecretsOf("web.service", "[Service\nSecret=key\n"); got != nil {
		t.Errorf("of what cannot be read: %v", got)
	}
}

// FuzzSecrets: whatever a file says, what it asks for can be named in the store, on a
// disk and in LoadCredential=.
func FuzzSecrets(f *testing.F) {
	f.Add("web@1.service", "Secret=a:b-%i\nSecret=c")
	f.Add("web.service", `Secret="a b":c`)
	f.Fuzz(func(t *testing.T, unit, lines string) {
		name, err := cluster.ParseUnitName(unit)
		if err != nil {
			return
		}
		for _, s := range unitfile.SecretsOf(name, "[X-Fleet]\n"+lines) {
			_, badID := cluster.ParseSecretName(s.Credential)
			_, badName := cluster.ParseSecretName(string(s.Name))
			if badID != nil || badName != nil || strings.ContainsAny(s.Credential, ":/%\n ") {
				t.Errorf("%q", s)
			}
		}
	})
}
