package etcdnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where a test does not care, etcd's log goes nowhere.
const quiet = "--log-outputs=/dev/null"

func parse(t *testing.T, arguments, environment []string) *Settings {
	t.Helper()
	settings, err := Parse(append([]string{quiet}, arguments...), environment)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "etcd.conf")
	if err := os.WriteFile(name, []byte("log-outputs: [/dev/null]\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPrecedence(t *testing.T) {
	named := file(t, "name: of-file\n")
	for _, c := range []struct {
		name        string
		arguments   []string
		environment []string
		want        string
		warning     string
	}{
		{"nothing", nil, nil, "default", ""},
		{"one dash", []string{"-name", "of-flag"}, nil, "of-flag", ""},
		{"two dashes", []string{"--name=of-flag"}, nil, "of-flag", ""},
		{"variable", nil, []string{"ETCD_NAME=of-variable"}, "of-variable", ""},
		{"an empty variable", nil, []string{"ETCD_NAME="}, "default", ""},
		{"flag over variable", []string{"--name=of-flag"}, []string{"ETCD_NAME=of-variable"}, "of-flag", ""},
		{"file", []string{"--config-file", named}, nil, "of-file", "--log-outputs beside it are ignored"},
		{"file over all", []string{"--config-file", named, "--name=of-flag"}, []string{"ETCD_DATA_DIR=/x"}, "of-file", "--name, ETCD_DATA_DIR beside it are ignored"},
		{"file by variable", nil, []string{"ETCD_CONFIG_FILE=" + named}, "of-file", "are ignored"},
		{"another program's variable", nil, []string{"ETCDCTL_API=3"}, "default", ""},
		{"an unknown variable", nil, []string{"ETCD_NMAE=x"}, "default", "ETCD_NMAE is ignored"},
		{"a flag of long ago", []string{"--snapshot=true"}, nil, "default", "--snapshot is ignored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := parse(t, c.arguments, c.environment)
			if settings.Etcd.Name != c.want {
				t.Errorf("name %q, want %q", settings.Etcd.Name, c.want)
			}
			got := strings.Join(settings.Warnings, "\n")
			if c.warning == "" && got != "" || !strings.Contains(got, c.warning) {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	type wanted struct {
		quota     int64
		retention string
		tls       string
	}
	for _, c := range []struct {
		name        string
		arguments   []string
		environment []string
		want        wanted
	}{
		{"ours", nil, nil, wanted{8 << 30, "10m", "TLS1.3"}},
		{"flags", []string{"--quota-backend-bytes=100000", "--auto-compaction-retention=0", "--tls-min-version=TLS1.2"}, nil, wanted{100000, "0", "TLS1.2"}},
		{"variables", nil, []string{"ETCD_QUOTA_BACKEND_BYTES=7", "ETCD_AUTO_COMPACTION_RETENTION=1h"}, wanted{7, "1h", "TLS1.3"}},
		{"by revision", []string{"--auto-compaction-mode=revision"}, nil, wanted{8 << 30, "0", "TLS1.3"}},
		{"TLS at most 1.2", []string{"--tls-max-version=TLS1.2"}, nil, wanted{8 << 30, "10m", "TLS1.2"}},
		{"ciphers of TLS 1.2", []string{"--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}, nil, wanted{8 << 30, "10m", "TLS1.2"}},
		{"file", []string{"--config-file", file(t, "name: a\n")}, nil, wanted{8 << 30, "10m", "TLS1.3"}},
		{"file says", []string{"--config-file", file(t, "quota-backend-bytes: 9\nauto-compaction-retention: \"2h\"\ntls-min-version: TLS1.2\n")}, nil, wanted{9, "2h", "TLS1.2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			etcd := parse(t, c.arguments, c.environment).Etcd
			got := wanted{etcd.QuotaBackendBytes, etcd.AutoCompactionRetention, etcd.TlsMinVersion}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if etcd.UnsafeNoFsync {
				t.Error("fsync is off")
			}
			if err := etcd.Validate(); err != nil {
				t.Errorf("etcd refuses it: %v", err)
			}
		})
	}
}

// TestMachinesVariables reads what a machine of a cluster has in etcd.env.
func TestMachinesVariables(t *testing.T) {
	etcd := parse(t, nil, []string{
		"ETCD_NAME=core-01", "ETCD_DATA_DIR=/var/lib/etcd",
		"ETCD_LISTEN_CLIENT_URLS=https://10.99.0.11:2379", "ETCD_ADVERTISE_CLIENT_URLS=https://10.99.0.11:2379",
		"ETCD_LISTEN_PEER_URLS=https://10.99.0.11:2380", "ETCD_INITIAL_ADVERTISE_PEER_URLS=https://10.99.0.11:2380",
		"ETCD_INITIAL_CLUSTER=core-01=https://10.99.0.11:2380,core-02=https://10.99.0.12:2380",
		"ETCD_INITIAL_CLUSTER_STATE=existing", "ETCD_INITIAL_CLUSTER_TOKEN=argosy",
		"ETCD_CLIENT_CERT_AUTH=true", "ETCD_TRUSTED_CA_FILE=/etc/argosy/pki/ca.crt",
	}).Etcd
	got := []string{etcd.Name, etcd.Dir, etcd.ListenClientUrls[0].String(), etcd.AdvertiseClientUrls[0].String(),
		etcd.ListenPeerUrls[0].String(), etcd.AdvertisePeerUrls[0].String(), etcd.InitialCluster, etcd.ClusterState,
		etcd.InitialClusterToken, etcd.ClientTLSInfo.TrustedCAFile}
	want := "core-01 /var/lib/etcd https://10.99.0.11:2379 https://10.99.0.11:2379 https://10.99.0.11:2380 https://10.99.0.11:2380 " +
		"core-01=https://10.99.0.11:2380,core-02=https://10.99.0.12:2380 existing argosy /etc/argosy/pki/ca.crt"
	if strings.Join(got, " ") != want || !etcd.ClientTLSInfo.ClientCertAuth {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestNameAloneIsACluster(t *testing.T) {
	etcd := parse(t, []string{"--name=a"}, nil).Etcd
	if etcd.InitialCluster != "a=http://localhost:2380" || etcd.Dir != "a.etcd" {
		t.Errorf("initial cluster %q in %q", etcd.InitialCluster, etcd.Dir)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name        string
		arguments   []string
		environment []string
		want        []string
	}{
		{"unknown flag", []string{"--bogus"}, nil, []string{"-bogus"}},
		{"bad number", []string{"--heartbeat-interval=soon"}, nil, []string{`"soon"`, "-heartbeat-interval"}},
		{"no value", []string{"--name"}, nil, []string{"-name"}},
		{"a word", []string{"start"}, nil, []string{`"start" is not a flag`}},
		{"bad state", []string{"--initial-cluster-state=old"}, nil, []string{"-initial-cluster-state", "new or existing"}},
		{"bad URL", []string{"--listen-peer-urls=here"}, nil, []string{"-listen-peer-urls", "here"}},
		{"host name to listen at", []string{"--listen-peer-urls=http://example.org:2380"}, nil, []string{"expected IP", "example.org"}},
		{"nothing to advertise", []string{"--listen-client-urls=http://127.0.0.1:1"}, nil, []string{"--advertise-client-urls is required"}},
		{"election too short", []string{"--election-timeout=100"}, nil, []string{"--election-timeout"}},
		{"bad variables, all of them", nil, []string{"ETCD_QUOTA_BACKEND_BYTES=big", "ETCD_LISTEN_PEER_URLS=here"},
			[]string{`ETCD_QUOTA_BACKEND_BYTES="big"`, `ETCD_LISTEN_PEER_URLS="here"`}},
		{"log level", []string{"--log-level=loud"}, nil, []string{"log-level", `"loud"`}},
		{"file with a bad log level", []string{"--config-file", file(t, "log-level: loud\n")}, nil, []string{"etcd.conf", "log-level", `"loud"`}},
		{"TLS version", []string{"--tls-min-version=SSL3"}, nil, []string{"SSL3"}},
		{"no such file", []string{"--config-file=/nowhere/etcd.conf"}, nil, []string{"/nowhere/etcd.conf"}},
		{"file with a bad URL", []string{"--config-file", file(t, "listen-peer-urls: here\nadvertise-client-urls: there\n")}, nil,
			[]string{"etcd.conf", "listen-peer-urls", "advertise-client-urls"}},
		{"file with bad cors", []string{"--config-file", file(t, "cors: here\n")}, nil, []string{"etcd.conf", "cors"}},
		{"file with bad YAML", []string{"--config-file", file(t, "name: [\n")}, nil, []string{"etcd.conf", "line"}},
		{"file with a list", []string{"--config-file", file(t, "quota-backend-bytes: lots\n")}, nil, []string{"etcd.conf", "quota-backend-bytes"}},
		{"file by a variable", nil, []string{"ETCD_CONFIG_FILE=/nowhere/etcd.conf"}, []string{"/nowhere/etcd.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(append([]string{quiet}, c.arguments...), c.environment)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, argument := range []string{"-h", "-help", "--help"} {
		if settings, err := Parse([]string{argument}, nil); err != nil || !settings.Help || settings.Etcd != nil {
			t.Errorf("%s: %+v, %v", argument, settings, err)
		}
	}
	if settings, err := Parse([]string{"--version"}, nil); err != nil || !settings.Version {
		t.Errorf("--version: %+v, %v", settings, err)
	}
	var help strings.Builder
	WriteFlags(&help)
	for _, want := range []string{"--data-dir", `--auto-compaction-retention (default "10m")`, `--quota-backend-bytes (default "8589934592")`} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("help lacks %q", want)
		}
	}
	if len(FlagNames()) < 80 {
		t.Errorf("only %d flags", len(FlagNames()))
	}
}

// TestNoValueEndsTheProcess gives every flag values that it was not made for. Some
// are refused, none may panic, as etcd does over a few.
func TestNoValueEndsTheProcess(t *testing.T) {
	for _, name := range FlagNames() {
		for _, value := range []string{"bogus", "", "-1", "http://", ",", "{}", "true"} {
			if name == "config-file" || name == "log-outputs" {
				continue // it opens what it is told to
			}
			func() {
				defer func() {
					if cause := recover(); cause != nil {
						t.Errorf("--%s=%s: panic: %v", name, value, cause)
					}
				}()
				_, _ = Parse([]string{quiet, "--" + name + "=" + value}, nil)
			}()
		}
	}
}

func TestAGuardThatCouldBeWalkedAround(t *testing.T) {
	whole := []string{"--enable-guard", "--listen-client-urls=https://10.0.0.1:2379", "--advertise-client-urls=https://10.0.0.1:2379",
		"--cert-file=c", "--key-file=k", "--trusted-ca-file=a"}
	settings, err := Parse(whole, nil)
	if err != nil || !settings.Guard {
		t.Errorf("a whole guard: %v", err)
	}
	if settings, err := Parse(whole[1:], []string{"ETCD_ENABLE_GUARD=true"}); err != nil || !settings.Guard {
		t.Errorf("by its variable: %v", err)
	}
	const begins = "check what --enable-guard needs: "
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--enable-guard"}, "--cert-file is missing\n--key-file is missing\n--listen-client-urls: http://localhost:2379 is not https\n--trusted-ca-file is missing"},
		{append(whole, "--listen-client-urls=https://10.0.0.1:2379,unix:///run/etcd"), "--listen-client-urls: unix:///run/etcd is not https"},
		{append(whole, "--listen-client-http-urls=https://10.0.0.1:2381"), "--listen-client-http-urls: one port has all"},
	} {
		if _, err := Parse(c.arguments, nil); err == nil || err.Error() != begins+c.want {
			t.Errorf("%q: %v; want %s", c.arguments, err, c.want)
		}
	}
}
