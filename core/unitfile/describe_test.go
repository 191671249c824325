package unitfile_test

import (
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		unit       cluster.UnitName
		text, want string
	}{
		{"web@1.service", "Web %i of %n (%N, %p) at 100%%, %H", "Web 1 of web@1.service (web@1, web) at 100%, %H"},
		{"web@.service", "Web %i %I of %p", "Web %i %I of web"},
		{"web.service", "Web %i%I%", "Web %"},
		{`my-web@data-a\x2db.service`, "%P %j %J %I %i", `my/web web web data/a-b data-a\x2db`},
		{`a\x.service`, "%P", `a\x`},
	} {
		if got := unitfile.Describe(c.text, c.unit); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.unit, c.text, got, c.want)
		}
	}
}
