package etcdnode

import (
	"os"
	"path/filepath"
	"testing"
)

// A configuration file that etcd itself would end the process over, without a word
// of which file, is refused as any other.
func FuzzFile(f *testing.F) {
	f.Add("name: core-01\nlisten-client-urls: https://10.0.0.1:2379\n")
	f.Add("listen-peer-urls: '::'\nlog-level: loud\ncors: ://\n")
	f.Add("initial-cluster: a=http://1\nclient-transport-security: {cert-file: /dev/null}\n")
	f.Add("name: [a]\n")
	f.Add("a: &a [*a]\n")
	f.Add("tls-min-version: TLS0.1\ncipher-suites: [x]\nquota-backend-bytes: 1e9\nauto-compaction-retention: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "etcd.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if config, err := readFile(file, &Discovery{}); (config == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, config, err)
		}
	})
}
