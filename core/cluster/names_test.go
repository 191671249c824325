package cluster_test

import (
	"reflect"
	"strings"
	"testing"

	"argosy/core/cluster"
)

func TestParseUnitName(t *testing.T) {
	longest := strings.Repeat("a", cluster.MaxUnitNameBytes-len(".service")) + ".service"
	for _, name := range []string{
		"web.service", "web@.service", "web@1.service", "web@a@b.service", "-.mount", `dev-disk\x2d1.swap`,
		"a:b_c.d-e.timer", "x.automount", "x.device", "x.scope", "x.slice", "x.busname", "x.snapshot", "x@1.target",
		"x@1.path", "x@1.socket", "..service", longest,
		"web.container", "web@1.container", "data.volume", "net.network", "a.pod", "a.kube", "a.image",
	} {
		if got, err := cluster.ParseUnitName(name); err != nil || string(got) != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"":                "expected a suffix",
		"web":             "expected a suffix",
		"web.":            `no unit type ""`,
		"web.txt":         `no unit type "txt"`,
		"web.Service":     `no unit type "Service"`,
		".service":        "expected a name before the suffix",
		"@.service":       "expected a name before the suffix",
		"@1.service":      "expected a name before the suffix",
		"web 1.service":   `the character ' ' at byte 4`,
		"web/1.service":   `the character '/' at byte 4`,
		"w\x00b.service":  `the character '\x00' at byte 2`,
		"w*.service":      `the character '*' at byte 2`,
		"x@1.mount":       "units of type mount have no templates",
		"a" + longest:     "it has 256 bytes, at most 255",
		"web.service\n":   `no unit type "service\n"`,
		"../etc.service":  `the character '/' at byte 3`,
		"caf\u00e9.timer": "at byte 4",
	} {
		_, err := cluster.ParseUnitName(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
}

func TestUnitNameParts(t *testing.T) {
	for _, c := range []struct {
		name                               cluster.UnitName
		prefix, instance, suffix, template string
		isTemplate                         bool
	}{
		{"web.service", "web", "", ".service", "", false},
		{"web@.service", "web", "", ".service", "", true},
		{"web@1.service", "web", "1", ".service", "web@.service", false},
		{"web@a@b.service", "web", "a@b", ".service", "web@.service", false},
		{"web@a@.service", "web", "a@", ".service", "web@.service", false},
		{"web@1.2.service", "web", "1.2", ".service", "web@.service", false},
		{"a.b.timer", "a.b", "", ".timer", "", false},
		{"nothing", "nothing", "", "", "", false},
	} {
		template, isInstance := c.name.Template()
		if c.name.Prefix() != c.prefix || c.name.Instance() != c.instance || c.name.Suffix() != c.suffix ||
			string(template) != c.template || isInstance != (c.template != "") || c.name.IsTemplate() != c.isTemplate {
			t.Errorf("%s: prefix %q, instance %q, suffix %q, template %q %v, is template %v", c.name,
				c.name.Prefix(), c.name.Instance(), c.name.Suffix(), template, isInstance, c.name.IsTemplate())
		}
	}
}

func TestQuadletNames(t *testing.T) {
	for name, service := range map[cluster.UnitName]cluster.UnitName{
		"web.container": "web.service", "web@1.container": "web@1.service", "web@.container": "web@.service",
		"a.kube": "a.service", "data.volume": "data-volume.service", "net.network": "net-network.service",
		"a.pod": "a-pod.service", "a.b.image": "a.b-image.service",
	} {
		if !name.Quadlet() || name.Service() != service {
			t.Errorf("%s is %s, Quadlet %v; want %s", name, name.Service(), name.Quadlet(), service)
		}
	}
	for _, name := range []cluster.UnitName{"web.service", "web.timer", "nothing"} {
		if name.Quadlet() || name.Service() != name {
			t.Errorf("%s is %s, Quadlet %v", name, name.Service(), name.Quadlet())
		}
	}
}

func TestLabelsStandOverMetadata(t *testing.T) {
	own := map[string]string{"region": "eu", "disk": "ssd"}
	for _, c := range []struct{ set, own, want map[string]string }{
		{nil, own, own},
		{map[string]string{"region": "us"}, own, map[string]string{"region": "us", "disk": "ssd"}},
		{map[string]string{"region": ""}, own, map[string]string{"disk": "ssd"}},
		{map[string]string{"a": "b", "c": ""}, nil, map[string]string{"a": "b"}},
		{map[string]string{"c": ""}, nil, nil},
	} {
		if got := (cluster.Labels{Set: c.set}).Over(c.own); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v over %v: %v, want %v", c.set, c.own, got, c.want)
		}
	}
	if len(own) != 2 || own["region"] != "eu" {
		t.Errorf("the machine's own metadata became %v", own)
	}
}

func TestParseMachineID(t *testing.T) {
	const good = "0123456789abcdef0123456789abcdef"
	if id, err := cluster.ParseMachineID(good); err != nil || id.Short() != "01234567..." {
		t.Errorf("%q, %v", id, err)
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), good[:31] + "g", good[:31] + "\n"} {
		if _, err := cluster.ParseMachineID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// FuzzParseUnitName: what is accepted can be taken apart and put together again,
// is safe as a file's name and as the last part of a key, and an instance's
// template is a template.
func FuzzParseUnitName(f *testing.F) {
	for _, s := range []string{"web@1.service", "web@.service", "web.service", "@.service", "a@b@.timer", "..path", `\x2d.mount`, "é.service"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := cluster.ParseUnitName(s)
		if err != nil {
			if name != "" || !strings.Contains(err.Error(), "is no unit name") {
				t.Errorf("%q, %v", name, err)
			}
			return
		}
		if string(name) != s || strings.ContainsAny(s, "/ \n\x00") || s == "." || s == ".." || len(s) > cluster.MaxUnitNameBytes {
			t.Errorf("%q was accepted as %q", s, name)
		}
		template, isInstance := name.Template()
		whole := name.Prefix() + name.Suffix()
		if isInstance || name.IsTemplate() {
			whole = name.Prefix() + "@" + name.Instance() + name.Suffix()
		}
		if whole != s {
			t.Errorf("%q is put together as %q", s, whole)
		}
		if isInstance && (name.IsTemplate() || !template.IsTemplate()) {
			t.Errorf("%q: instance of %q", s, template)
		}
	})
}
