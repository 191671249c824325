package etcdnode

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

const token = "http://10.0.0.9:8087/0123456789abcdef0123456789abcdef"

func TestDiscoverySettings(t *testing.T) {
	for _, c := range []struct {
		name        string
		arguments   []string
		environment []string
		want        Discovery
	}{
		{"nothing", nil, nil, Discovery{"", "", "proxy"}},
		{"a flag", []string{"--discovery", token}, nil, Discovery{token, "", "proxy"}},
		{"variables", nil, []string{"ETCD_DISCOVERY=" + token, "ETCD_DISCOVERY_PROXY=a:1", "ETCD_DISCOVERY_FALLBACK=exit"}, Discovery{token, "a:1", "exit"}},
		{"a flag over its variable", []string{"--discovery-fallback=proxy"}, []string{"ETCD_DISCOVERY_FALLBACK=exit"}, Discovery{"", "", "proxy"}},
		{"a file", []string{"--config-file", file(t, "discovery: "+token+"\ndiscovery-fallback: exit\n")}, nil, Discovery{token, "", "exit"}},
		{"a file that says nothing", []string{"--config-file", file(t, "name: a\n"), "--discovery=" + token}, nil, Discovery{"", "", "proxy"}},
	} {
		if got := parse(t, c.arguments, c.environment).Discovery; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--discovery-fallback=off"}, "it is proxy or exit"},
		{[]string{"--config-file", file(t, "discovery-fallback: off\n")}, "discovery-fallback: it is proxy or exit"},
		{[]string{"--config-file", file(t, "discovery: [a]\n")}, "cannot unmarshal"},
		{[]string{"--discovery=" + token, "--initial-cluster=a=http://10.0.0.1:2380"}, "choose one of initial-cluster, discovery, "},
		{[]string{"--discovery=" + token, "--discovery-srv=example.com"}, "choose one of initial-cluster, discovery, "},
	} {
		if _, err := Parse(append([]string{quiet}, c.arguments...), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.arguments, err, c.want)
		}
	}
}

// TestRegistration: the ID is the one that etcd 3.4 registered under with this
// name, peer URLs and token.
func TestRegistration(t *testing.T) {
	settings := parse(t, []string{"--name=a", "--initial-advertise-peer-urls=http://127.0.0.11:12380",
		"--listen-peer-urls=http://127.0.0.11:12380", "--discovery=http://127.0.0.1:8087/0a9fcb45027ca44672368881ea22daa0"}, nil)
	if id, urls := settings.Registration(); id != "89f37b31f53dd65a" || urls != "a=http://127.0.0.11:12380" {
		t.Errorf("it registers as %s: %s", id, urls)
	}
	settings.Found("a=http://127.0.0.11:12380,b=http://127.0.0.12:12380")
	if err := settings.Etcd.Validate(); err != nil || settings.Etcd.InitialClusterToken != settings.Discovery.URL {
		t.Errorf("etcd is given the token %s, and says %v", settings.Etcd.InitialClusterToken, err)
	}
}

func TestInitialized(t *testing.T) {
	dir := t.TempDir()
	settings := parse(t, []string{"--data-dir", dir}, nil)
	log, is := settings.Initialized()
	if is || log != filepath.Join(dir, "member", "wal") {
		t.Errorf("an empty one: %s, %v", log, is)
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	written, err := wal.Create(zap.NewNop(), log, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := written.Close(); err != nil {
		t.Fatal(err)
	}
	if _, is := settings.Initialized(); !is {
		t.Error("one with a log is not")
	}
}

func TestAskPeers(t *testing.T) {
	const one = `{"id":1,"peerURLs":["http://10.0.0.2:2380"],"name":"b","clientURLs":["http://10.0.0.2:2379"]}`
	bodies := map[string]string{
		"/good/members": `[` + one + `,{"id":2,"peerURLs":["http://10.0.0.1:2380"],"name":"a","clientURLs":["http://10.0.0.1:2379"]}]`,
		"/new/members":  `[{"id":2,"peerURLs":["http://10.0.0.1:2380"],"name":"","clientURLs":null}]`,
		"/bad/members":  `<html>`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, there := bodies[r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	peers, err := AskPeers(t.Context(), nil, []string{"http://127.0.0.1:1", server.URL + "/none", server.URL + "/bad", server.URL + "/new", server.URL + "/good"})
	if err != nil || !slices.Equal(peers.ClientURLs, []string{"http://10.0.0.1:2379", "http://10.0.0.2:2379"}) || !slices.Equal(peers.PeerURLs, []string{"http://10.0.0.1:2380", "http://10.0.0.2:2380"}) {
		t.Errorf("the members are %+v, %v", peers, err)
	}
	for _, c := range []struct{ url, want string }{
		{"http://127.0.0.1:1", "refused"}, {server.URL + "/none", "404 Not Found is no list of members"},
		{server.URL + "/bad", "is no list of members: <html>"}, {server.URL + "/new", "no member has started yet"}, {"%", "invalid URL escape"},
	} {
		if _, err := AskPeers(t.Context(), nil, []string{c.url}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.url, err, c.want)
		}
	}
}
