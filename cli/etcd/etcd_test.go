package etcd

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/edge/authority"
)

// environment is the whole of it for one test: only its own variables begin with
// the three prefixes.
func environment(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		if strings.HasPrefix(name, "ETCD_") || strings.HasPrefix(name, endpointPrefix) || strings.HasPrefix(name, discoveryPrefix) {
			t.Setenv(name, "")
		}
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

func run(ctx context.Context, command *cobra.Command, arguments ...string) (string, error) {
	var out bytes.Buffer
	command.SetArgs(append([]string{}, arguments...)) // nil would be the test's own
	command.SetOut(&out)
	command.SetErr(&out)
	err := command.ExecuteContext(ctx)
	return out.String(), err
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name      string
		command   func() *cobra.Command
		arguments []string
		variables map[string]string
		code      int
		want      string
	}{
		{"etcd's flag", Command, []string{"--heartbeat-interval=x"}, nil, cli.ExitUsage, "heartbeat-interval"},
		{"etcd's variable", Command, nil, map[string]string{"ETCD_ELECTION_TIMEOUT": "x"}, cli.ExitUsage, "ETCD_ELECTION_TIMEOUT"},
		{"etcd's file", Command, []string{"--config-file=/nowhere"}, nil, cli.ExitUsage, "/nowhere"},
		{"etcd's data", Command, []string{"--log-outputs=/dev/null", "--data-dir=/dev/null/x", "--listen-peer-urls=http://127.0.0.1:0",
			"--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:0"}, nil, cli.ExitError, "mkdir /dev/null"},
		{"no members", EndpointCommand, nil, nil, cli.ExitUsage, "ARGOSY_ENDPOINT_MEMBERS"},
		{"a bad member", EndpointCommand, []string{"--members=http://10.0.0.1:2379"}, nil, cli.ExitUsage, "over TLS only"},
		{"a bad member by variable", EndpointCommand, nil, map[string]string{"ARGOSY_ENDPOINT_MEMBERS": "10.0.0.1"}, cli.ExitUsage, `"10.0.0.1"`},
		{"a bad variable", EndpointCommand, nil, map[string]string{"ARGOSY_ENDPOINT_DIAL_TIMEOUT": "soon"}, cli.ExitUsage, `ARGOSY_ENDPOINT_DIAL_TIMEOUT="soon"`},
		{"a bad limit", EndpointCommand, []string{"--members=a:1", "--connections=0"}, nil, cli.ExitUsage, "--connections"},
		{"an unknown flag", EndpointCommand, []string{"--bogus"}, nil, cli.ExitUsage, "--bogus"},
		{"a word", EndpointCommand, []string{"start"}, nil, cli.ExitUsage, "start"},
		{"etcd's discovery", Command, []string{"--log-outputs=/dev/null", "--data-dir=/dev/null/x", "--discovery=10.0.0.1"}, nil, cli.ExitUsage, "read the discovery URL: "},
		{"no host", DiscoveryCommand, nil, nil, cli.ExitUsage, `--host must be the URL that machines reach this service at, as http://10.0.0.1:8087, and is ""`},
		{"a bad host", DiscoveryCommand, []string{"--host=10.0.0.1:8087"}, nil, cli.ExitUsage, `and is "10.0.0.1:8087"`},
		{"a bad etcd", DiscoveryCommand, []string{"--host=http://a", "--etcd=10.0.0.1:2379"}, nil, cli.ExitUsage, "read the URL of etcd: "},
		{"a bad etcd of its own", DiscoveryCommand, []string{"--host=http://a"}, map[string]string{"ETCD_ELECTION_TIMEOUT": "x"}, cli.ExitUsage, "ETCD_ELECTION_TIMEOUT"},
		{"a short life", DiscoveryCommand, []string{"--host=http://a", "--ttl=1ms"}, nil, cli.ExitUsage, "--ttl must be a second or more, or 0"},
		{"no tokens", DiscoveryCommand, []string{"--host=http://a"}, map[string]string{"ARGOSY_DISCOVERY_TOKENS": "0"}, cli.ExitUsage, "--tokens and --connections must be above 0"},
		{"half of the TLS files", DiscoveryCommand, []string{"--host=http://a", "--etcd=https://a:1", "--cacert=/nowhere"}, nil, cli.ExitError, "/nowhere"},
		{"a bad address", DiscoveryCommand, []string{"--host=http://a", "--etcd=http://a:1", "--addr=x"}, nil, cli.ExitError, "listen at x: "},
		{"no certificate", EndpointCommand, []string{"--members=a:1", "--cacert=/nowhere"}, nil, cli.ExitError, "/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.variables)
			_, err := run(t.Context(), c.command(), c.arguments...)
			if err == nil || cli.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("exit %d: %v; want %d with %q", cli.Code(err), err, c.code, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	environment(t, nil)
	for _, argument := range []string{"--help", "-h"} {
		if out, err := run(t.Context(), Command(), argument); err != nil || !strings.Contains(out, "--initial-cluster-token") {
			t.Errorf("etcd %s: %.100q, %v", argument, out, err)
		}
	}
	if out, err := run(t.Context(), Command(), "--version"); err != nil || !strings.HasPrefix(out, "etcd Version: 3.7") {
		t.Errorf("etcd --version: %q, %v", out, err)
	}
	if out, err := run(t.Context(), EndpointCommand(), "--help"); err != nil || !strings.Contains(out, "ARGOSY_ENDPOINT_MEMBERS") {
		t.Errorf("endpoint --help: %q, %v", out, err)
	}
}

// systemd is told things at its socket.
func systemd(t *testing.T) (hear func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() string {
		word := make([]byte, 100)
		n, err := socket.Read(word)
		if err != nil {
			return err.Error()
		}
		return string(word[:n])
	}
}

func TestSystemdIsTold(t *testing.T) {
	dir := t.TempDir()
	a, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := a.Issue(access.Identity{Kind: access.Local, Name: "local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"local.crt": certPEM, "local.key": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		command   func() *cobra.Command
		variables map[string]string
	}{
		"etcd": {Command, map[string]string{
			"ETCD_DATA_DIR": t.TempDir(), "ETCD_LOG_OUTPUTS": "/dev/null",
			"ETCD_LISTEN_CLIENT_URLS": "http://127.0.0.1:0", "ETCD_ADVERTISE_CLIENT_URLS": "http://127.0.0.1:0",
			"ETCD_LISTEN_PEER_URLS": "http://127.0.0.1:0", "ETCD_UNSAFE_NO_FSYNC": "true",
		}},
		"endpoint": {EndpointCommand, map[string]string{
			"ARGOSY_ENDPOINT_MEMBERS": "https://127.0.0.1:1,https://127.0.0.1:2", "ARGOSY_ENDPOINT_LISTEN": "127.0.0.1:0",
			"ARGOSY_ENDPOINT_CACERT": filepath.Join(dir, "ca.crt"),
			"ARGOSY_ENDPOINT_CERT":   filepath.Join(dir, "local.crt"), "ARGOSY_ENDPOINT_KEY": filepath.Join(dir, "local.key"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.variables)
			hear := systemd(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error)
			go func() {
				_, err := run(ctx, c.command())
				ended <- err
			}()
			heard := make(chan string, 2)
			go func() { heard <- hear(); heard <- hear() }()
			select {
			case word := <-heard:
				if word != "READY=1" {
					t.Errorf("systemd is told %q first", word)
				}
			case err := <-ended:
				t.Fatalf("it ended: %v", err)
			}
			cancel()
			if word := <-heard; word != "STOPPING=1" {
				t.Errorf("systemd is told %q last", word)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
