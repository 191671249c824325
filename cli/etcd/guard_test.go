package etcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/etcdnode"
)

const (
	machine = "6c3a0123456789abcdef0123456789ab"
	worker  = "7d3a0123456789abcdef0123456789ab"
)

// pki is an authority and what it has issued.
type pki struct {
	*testing.T
	authority *authority.Authority
	dir       string
}

func newPKI(t *testing.T) pki {
	t.Helper()
	dir := t.TempDir()
	a, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pki{t, a, dir}
}

func (p pki) issue(who access.Identity, hosts ...string) (cert, key string) {
	p.Helper()
	certPEM, keyPEM, err := p.authority.Issue(who, hosts)
	name := filepath.Join(p.dir, string(who.Kind))
	cert, key = name+".crt", name+".key"
	if err := errors.Join(err, os.WriteFile(cert, certPEM, 0o600), os.WriteFile(key, keyPEM, 0o600)); err != nil {
		p.Fatal(err)
	}
	return cert, key
}

func (p pki) client(who access.Identity, hosts ...string) *tls.Config {
	p.Helper()
	cert, key := p.issue(who, hosts...)
	config, err := authority.LoadClient(filepath.Join(p.dir, "ca.crt"), cert, key)
	if err != nil {
		p.Fatal(err)
	}
	return config
}

// TestTheKeysAPIBehindTheGuard speaks etcd 2's API to a store that etcd's auth has
// closed, as those who may and those who may not.
func TestTheKeysAPIBehindTheGuard(t *testing.T) {
	p := newPKI(t)
	// An address of its own, so that two runs do not meet: a port from ":0" would
	// have to be known beforehand.
	pid := os.Getpid()
	address := fmt.Sprintf("127.%d.%d.9:2379", 1+pid>>8&0x7f, pid&0xff)
	member := p.client(access.Identity{Kind: access.Member, Name: machine}, strings.Split(address, ":")[0])
	clients := map[string]*http.Client{}
	for _, kind := range []access.Kind{access.Local, access.Worker} {
		name := map[access.Kind]string{access.Local: machine, access.Worker: worker}[kind]
		transport := &http.Transport{TLSClientConfig: p.client(access.Identity{Kind: kind, Name: name}, "core")}
		t.Cleanup(transport.CloseIdleConnections)
		clients[string(kind)] = &http.Client{Transport: transport}
	}
	url := "https://" + address
	settings, err := etcdnode.Parse([]string{"--enable-guard", "--listen-client-urls=" + url, "--advertise-client-urls=" + url,
		"--listen-peer-urls=http://" + strings.Replace(address, "2379", "2380", 1), "--data-dir=" + t.TempDir(), "--log-outputs=/dev/null", "--unsafe-no-fsync",
		"--cert-file=" + filepath.Join(p.dir, "member.crt"), "--key-file=" + filepath.Join(p.dir, "member.key"),
		"--trusted-ca-file=" + filepath.Join(p.dir, "ca.crt"), "--client-cert-auth"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan bool), make(chan error, 1)
	var faults bytes.Buffer
	go func() { ended <- serve(ctx, settings, &faults, func() { close(ready) }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil || faults.Len() > 0 {
			t.Errorf("%v; it says %s", err, faults.String())
		}
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("it ended: %v", err)
	}
	closeStore(t, address, member)
	for _, c := range []struct{ who, method, query, want string }{
		{"local", "PUT", "/v2/keys/a?value=b", `201 {"action":"set"`},
		{"local", "GET", "/v2/keys/a", `200 {"action":"get","node":{"key":"/a","value":"b"`},
		{"local", "GET", "/v2/members", `200 {"members":[{`},
		{"worker", "GET", "/v2/keys/a", `403 {"errorCode":110,"message":"The request requires user authentication","cause":"worker ` + worker + ` may not ask GET /v2/keys/a`},
		{"worker", "PUT", "/v2/keys/a?value=c", `403 {"errorCode":110`},
		{"local", "POST", "/v2/members", `403 {"errorCode":110`},
	} {
		if got := until(t, clients[c.who], c.method, url+c.query); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s asks %s %s: %.300s; want %s", c.who, c.method, c.query, got, c.want)
		}
	}
}

// closeStore has etcd ask who somebody is.
func closeStore(t *testing.T, address string, config *tls.Config) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.RoleAdd(t.Context(), "root")
	_, more := client.UserAddWithOptions(t.Context(), "root", "", &clientv3.UserAddOptions{NoPassword: true})
	err = errors.Join(err, more)
	_, more = client.UserGrantRole(t.Context(), "root", "root")
	err = errors.Join(err, more)
	_, more = client.AuthEnable(t.Context())
	if err := errors.Join(err, more); err != nil {
		t.Fatal(err)
	}
}

// until asks until somebody keeps the keys, which takes one a moment at first.
func until(t *testing.T, client *http.Client, method, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode < 500 {
			return fmt.Sprintf("%d %s", response.StatusCode, body)
		}
	}
}

func TestWithoutAGuardItIsSaid(t *testing.T) {
	var faults bytes.Buffer
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{nil, ""},
		{[]string{"--trusted-ca-file=/pki/ca.crt"}, "etcd: warning: INSECURE: whoever holds any certificate that /pki/ca.crt has issued may do everything here: --enable-guard is off\n"},
	} {
		settings, err := etcdnode.Parse(c.flags, nil)
		if err != nil {
			t.Fatal(err)
		}
		faults.Reset()
		if guard, err := guardOf(settings, &faults); guard != nil || err != nil || faults.String() != c.want {
			t.Errorf("%q: %v, %v, says %q; want %q", c.flags, guard, err, faults.String(), c.want)
		}
	}
	settings, err := etcdnode.Parse([]string{"--enable-guard", "--listen-client-urls=https://127.0.0.1:0", "--advertise-client-urls=https://127.0.0.1:0",
		"--cert-file=/nowhere/c", "--key-file=/nowhere/k", "--trusted-ca-file=/nowhere/a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guardOf(settings, &faults); err == nil || !strings.Contains(err.Error(), "load the server's TLS files: ") {
		t.Errorf("without its files: %v", err)
	}
}
