package join_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/join"
)

const id = "0123456789abcdef0123456789abcdef"

// office answers as it is told.
type office struct {
	admit func(context.Context, access.Wish) (access.Answer, error)
	asked atomic.Int64
}

func (o *office) Admit(ctx context.Context, wish access.Wish, from string) (access.Answer, error) {
	o.asked.Add(1)
	if from != "127.0.0.1" {
		return access.Answer{}, fmt.Errorf("from %q", from)
	}
	return o.admit(ctx, wish)
}

func (o *office) Renew(_ context.Context, renewal access.Renewal, _ string) (access.Answer, error) {
	return access.Answer{Bundle: renewal.Certificate}, nil
}

// port is one that is open, and how to reach it.
type port struct {
	at      string
	secrets *tls.Config
}

func open(t *testing.T, o join.Office) port {
	t.Helper()
	f := authority.Folder(filepath.Join(t.TempDir(), "pki"))
	if err := f.Found(); err != nil {
		t.Fatal(err)
	}
	if err := f.Grant(authority.MachineName, access.Grant{Who: access.Identity{Kind: access.Member, Name: id}, Hosts: []string{"127.0.0.1"}, Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	server, err := authority.LoadJoin(f.BundleFile(), f.CertificateFile(authority.MachineName), f.KeyFile(authority.MachineName))
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Authority()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- join.Serve(ctx, listener, server, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return port{listener.Addr().String(), authority.Pinned(a.Pin(), "127.0.0.1")}
}

func TestAskAndRenew(t *testing.T) {
	o := &office{admit: func(_ context.Context, w access.Wish) (access.Answer, error) {
		return access.Answer{Bundle: w.Token}, nil
	}}
	p := open(t, o)
	if answer, err := join.Ask(t.Context(), p.at, p.secrets, access.Wish{Token: "t"}); answer.Bundle != "t" || err != nil {
		t.Error(answer, err)
	}
	if answer, err := join.Renew(t.Context(), p.at, p.secrets, access.Renewal{Certificate: "c"}); answer.Bundle != "c" || err != nil {
		t.Error(answer, err)
	}
}

func TestARefusalIsTheLastWord(t *testing.T) {
	o := &office{admit: func(context.Context, access.Wish) (access.Answer, error) {
		return access.Answer{}, fmt.Errorf("use it: %w", access.ErrUnknownToken)
	}}
	p := open(t, o)
	_, err := join.Ask(t.Context(), p.at, p.secrets, access.Wish{})
	if !errors.Is(err, access.ErrRefused) || !strings.HasSuffix(err.Error(), "use it: the token is refused: it is not known here") || o.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, o.asked.Load())
	}
}

func TestAFaultOfTheMomentIsAskedAgain(t *testing.T) {
	o := &office{}
	o.admit = func(context.Context, access.Wish) (access.Answer, error) {
		if o.asked.Load() < 2 {
			return access.Answer{}, errors.New("the store is busy")
		}
		return access.Answer{Bundle: "b"}, nil
	}
	p := open(t, o)
	if answer, err := join.Ask(t.Context(), p.at, p.secrets, access.Wish{}); answer.Bundle != "b" || err != nil {
		t.Error(answer, err)
	}
}

func TestRubbishIsRefused(t *testing.T) {
	o := &office{}
	p := open(t, o)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.secrets, DisableKeepAlives: true}}
	for name, c := range map[string]struct {
		method, path, body, want string
		status                   int
	}{
		"no JSON":          {"POST", "/argosy/v2/join", "hello", "read the request: invalid character", 400},
		"unknown field":    {"POST", "/argosy/v2/join", `{"role":"root"}`, `unknown field \"role\"`, 400},
		"two values":       {"POST", "/argosy/v2/join", "{}{}", "more than one JSON value", 400},
		"too large":        {"POST", "/argosy/v2/join", `{"token":"` + strings.Repeat("x", 70<<10) + `"}`, "request body too large", 400},
		"another method":   {"GET", "/argosy/v2/join", "", "", 405},
		"another path":     {"POST", "/fleet/v2/units", "{}", "", 404},
		"a path with dots": {"POST", "/argosy/v2/../../etc/passwd", "{}", "", 404},
	} {
		request, err := http.NewRequest(c.method, "https://"+p.at+c.path, bytes.NewReader([]byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	if o.asked.Load() != 0 {
		t.Error("the office was asked")
	}
}

// One address that opens connections and says nothing leaves room for no more than
// its share: what it opens beyond is closed at once.
func TestSilentClientsAreBounded(t *testing.T) {
	p := open(t, &office{admit: func(context.Context, access.Wish) (access.Answer, error) { return access.Answer{}, nil }})
	var silent []net.Conn
	for range join.PerAddress {
		c, err := net.Dial("tcp", p.at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	beyond, err := net.Dial("tcp", p.at)
	if err != nil {
		t.Fatal(err)
	}
	defer beyond.Close()
	if _, err := beyond.Read(make([]byte, 1)); err == nil {
		t.Error("a connection beyond the limit was served")
	}
	silent[0].Close()
	for t.Context().Err() == nil { // the server notices
		if _, err = join.Ask(t.Context(), p.at, p.secrets, access.Wish{}); err == nil {
			return
		}
	}
	t.Error(err)
}
