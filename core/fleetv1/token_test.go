package fleetv1_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"argosy/core/fleetv1"
)

const machine = "0123456789abcdef0123456789abcdef"

func TestToken(t *testing.T) {
	for _, token := range []fleetv1.Token{
		{Kind: fleetv1.Machines, Revision: 0, Machine: machine},
		{Kind: fleetv1.Machines, Revision: math.MaxInt64, Machine: "m1"},
		{Kind: fleetv1.Units, Revision: 7, Unit: "web@1.service"},
		{Kind: fleetv1.States, Revision: 1 << 40, Unit: `a\x2db.mount`, Machine: machine},
	} {
		text := token.String()
		if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=") != "" {
			t.Errorf("%s is not safe in a URL", text)
		}
		if got, err := fleetv1.ParseToken(text, token.Kind); err != nil || got != token {
			t.Errorf("%v came back as %v, %v", token, got, err)
		}
		for _, kind := range []fleetv1.Kind{fleetv1.Machines, fleetv1.Units, fleetv1.States} {
			if _, err := fleetv1.ParseToken(text, kind); (err == nil) != (kind == token.Kind) {
				t.Errorf("%v for the list %c: %v", token, kind, err)
			}
		}
	}
}

func TestParseTokenRefuses(t *testing.T) {
	good := fleetv1.Token{Kind: fleetv1.Units, Revision: 7, Unit: "web1.service"}.String()
	raw := func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }
	for _, bad := range []string{
		"", "x", "AAAA", "ZAACAA==", // the last is fleet's own for page 2
		good[:len(good)-4], good + "=", good + "\n", strings.ReplaceAll(good, "=", ""), " " + good, strings.Repeat("A", 2000),
		raw("u1234567"), raw("u12345678"), raw("u12345678/"), raw("u12345678web/"), raw("u12345678web.service/m"),
		raw("u1234567\xffweb.service/"), raw("x1234567\x00web.service/"), raw("u1234567\x00../x.service/"), raw("s1234567\x00web.service/"),
	} {
		if token, err := fleetv1.ParseToken(bad, fleetv1.Units); err == nil || !strings.Contains(err.Error(), "nextPageToken") {
			t.Errorf("%q: %v, %v", bad, token, err)
		}
	}
}

// FuzzParseToken: what is accepted is written the one way it was read.
func FuzzParseToken(f *testing.F) {
	f.Add(fleetv1.Token{Kind: fleetv1.States, Revision: 7, Unit: "web.service", Machine: machine}.String(), byte('s'))
	f.Add("ZAACAA==", byte('u'))
	f.Fuzz(func(t *testing.T, text string, kind byte) {
		token, err := fleetv1.ParseToken(text, fleetv1.Kind(kind))
		if err == nil && (token.String() != text || token.Revision < 0) {
			t.Errorf("%q is %v, which is written %q", text, token, token.String())
		}
	})
}
