//go:build store

package v2diff

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/v2keys"
)

// startWhole serves all of etcd 2's API from etcd v3.
func startWhole(t *testing.T) side {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: etcdtest.Start(t), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	report := func(err error) { t.Log(err) }
	keys := v2keys.NewCluster(v2keys.ClusterConfig{Client: client, Member: "one", Now: time.Now, Raft: func() v2keys.Raft { return v2keys.Raft{} }, Report: report})
	security := v2keys.NewSecurity(client, keys, report)
	running(t, func(ctx context.Context) { _ = keys.Run(ctx) })
	running(t, func(ctx context.Context) { _ = security.Run(ctx) })
	mux := http.NewServeMux()
	for paths, handler := range map[*[]string]http.Handler{
		&v2keys.KeysPaths: &v2keys.Handler{Keys: keys, ClusterID: "cafe", Now: time.Now, Security: security},
		&v2keys.AuthPaths: &v2keys.Auth{Security: security, ClusterID: "cafe"},
		&v2keys.MembersPaths: &v2keys.Members{Client: client, Keys: keys, Security: security, ClusterID: "cafe",
			Self:    func() (id, leader uint64) { return 1, 1 },
			Removed: func(uint64) bool { return false }},
	} {
		for _, path := range *paths {
			mux.Handle(path, handler)
		}
	}
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return side{name: "argosy", base: "http://client", client: newClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})}
}

// TestUsersAsEtcd changes users and roles, turns asking for names on and off, and
// reads and writes keys as this and that user.
func TestUsersAsEtcd(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 1)), modified: map[string]uint64{}}
	r := &run{reference: startReference(t), ours: startWhole(t), tops: map[string]bool{}, met: map[string]int{}, generator: g}
	for range *rounds * 2 {
		r.ask(t, g.authQuestion())
	}
	t.Logf("%d requests: %v", r.asked, r.met)
	for _, status := range strings.Split("200,201,400,401,403,404,405,409", ",") {
		if r.met["status "+status] == 0 {
			t.Errorf("no answer was %s: the requests are not what they should be", status)
		}
	}
}

func (g *generator) list(from ...string) string {
	var some []string
	for _, s := range from {
		if g.oneIn(2) {
			some = append(some, `"`+s+`"`)
		}
	}
	return "[" + strings.Join(some, ",") + "]"
}

func (g *generator) permissions() string {
	return fmt.Sprintf(`{"kv":{"read":%s,"write":%s}}`, g.list("/a/*", "/b", "/c*"), g.list("/a/*", "/*"))
}

func (g *generator) authQuestion() question {
	q := question{method: "PUT", contentType: "application/json"}
	if !g.oneIn(6) {
		q.user = pick(g, "root:pw", "root:pw", "root:pw", "bob:pw", "bob:bad", "eve:pw", "root:bad")
	}
	user, role := pick(g, "root", "bob", "bob", "eve"), pick(g, "r1", "r2", "guest", "root")
	switch g.IntN(12) {
	case 0:
		q.target = "/v2/auth/enable"
		q.method = pick(g, "PUT", "PUT", "PUT", "PUT", "GET", "DELETE", "POST")
	case 1, 2:
		q.target = "/v2/auth/users/" + user
		q.body = pick(g,
			fmt.Sprintf(`{"user":%q,"password":"pw"}`, user),
			fmt.Sprintf(`{"user":%q,"password":"pw","roles":%s}`, user, g.list("r1", "r2", "none")),
			fmt.Sprintf(`{"user":%q,"grant":%s}`, user, g.list("r1", "r2")),
			fmt.Sprintf(`{"user":%q,"revoke":%s}`, user, g.list("r1", "r2", "none")),
			fmt.Sprintf(`{"user":%q,"grant":%s,"roles":%s}`, user, g.list("r1", "r2"), g.list("r1")),
			`{"user":"other","password":"pw"}`, `{"password":"pw"}`, `{`, ``)
	case 3, 4:
		q.target = "/v2/auth/roles/" + role
		q.body = pick(g,
			fmt.Sprintf(`{"role":%q,"permissions":%s}`, role, g.permissions()),
			fmt.Sprintf(`{"role":%q,"grant":%s}`, role, g.permissions()),
			fmt.Sprintf(`{"role":%q,"revoke":%s}`, role, g.permissions()),
			fmt.Sprintf(`{"role":%q,"grant":%s,"revoke":%s}`, role, g.permissions(), g.permissions()),
			fmt.Sprintf(`{"role":%q}`, role), `{"role":"other"}`, `[]`, ``)
	case 5:
		q.method, q.target = pick(g, "GET", "GET", "GET", "POST", "HEAD"), pick(g, "/v2/auth/users", "/v2/auth/roles", "/v2/auth/users/", "/v2/auth/roles/",
			"/v2/auth", "/v2/auth/", "/v2/auth/x", "/v2/auth/enable/", "/v2/auth/users/a/b")
	case 6:
		q.method, q.target = pick(g, "GET", "GET", "POST"), pick(g, "/v2/auth/users/"+user, "/v2/auth/roles/"+role)
	case 7:
		if !g.oneIn(3) {
			return g.authQuestion()
		}
		q.method, q.target = "DELETE", pick(g, "/v2/auth/users/"+user, "/v2/auth/roles/"+role)
	case 8:
		q.target = pick(g, "/v2/members", "/v2/members/", "/v2/members/zz", "/v2/members/1234", "/v2/machines", "/v2/machines/", "/v2/stats", "/v2/stats/x", "/v2/stats/self")
		q.method = pick(g, "PUT", "DELETE", "PATCH")
		if strings.HasPrefix(q.target, "/v2/members") {
			q.method = pick(g, "PUT", "DELETE", "PATCH", "POST")
			q.body, q.contentType = pick(g, "{", "{}", `{"peerURLs":["nonsense"]}`), pick(g, "application/json", "application/json", "text/plain")
		}
	default:
		q.method, q.contentType = pick(g, "GET", "GET", "PUT", "PUT", "DELETE", "POST"), ""
		q.target = "/v2/keys" + pick(g, "/a/x", "/a/y", "/a", "/b", "/c", "/cd", "/z", "/") + pick(g, "?value=1", "?value=2", "?recursive=true&sorted=true", "?dir=true", "?ttl=bad", "?prevExist=true&value=3")
		q.sorted = strings.Contains(q.target, "sorted")
	}
	return q
}
