//go:build store

package v2cluster

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// TestLargeValuesAsEtcd: with room for them in etcd's transactions, values and keys
// are as large as etcd 2 takes them.
func TestLargeValuesAsEtcd(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	roomy := build{program: binary, environment: []string{asMember + "=1", "ETCD_MAX_REQUEST_BYTES=45000000", "ETCD_MAX_TXN_OPS=256"}, after: 100}
	web := newWeb()
	defer web.CloseIdleConnections()
	ours, reference := roomy.start(t, 1)[0], startReference(t, 1)[0]
	for _, c := range []struct {
		name  string
		key   string
		value string
	}{
		{"1 MB", "large", strings.Repeat("1", 1_000_000)},
		{"10 MB", "large", strings.Repeat("2", 10_000_000)},
		{"a form of 10 MiB", "large", strings.Repeat("3", 10<<20-len("value="))},
		{"a form of 10 MiB and a byte", "large", strings.Repeat("4", 10<<20-len("value=")+1)},
		{"a thousand directories", strings.Repeat("/deep", 1000)[1:], "x"},
	} {
		answers := map[*member]string{}
		for _, m := range []*member{ours, reference} {
			_, err := ask(t.Context(), web, http.MethodPut, m.client()+"/v2/keys/"+c.key, url.Values{"value": {c.value}})
			text, readErr := ask(t.Context(), web, http.MethodGet, m.client()+"/v2/keys/"+c.key, nil)
			_, value, _ := strings.Cut(string(text), `"value":`)
			value, _, _ = strings.Cut(value, `,"modified`)
			answers[m] = fmt.Sprintf("%v, read %d bytes %x %v", err, len(value), sha256.Sum256([]byte(value)), readErr)
		}
		if answers[ours] != answers[reference] {
			t.Errorf("%s\n--- etcd\n%.500s\n--- ours\n%.500s", c.name, answers[reference], answers[ours])
		}
	}
}
