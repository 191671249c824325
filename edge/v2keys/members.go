package v2keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/v2auth"
)

// Members serves what etcd 2's API tells of the cluster itself: /v2/members,
// /v2/machines and /v2/stats.
type Members struct {
	Client    *clientv3.Client
	Keys      *Cluster
	Security  *Security
	ClusterID string
	Self      func() (id, leader uint64)
	Removed   func(id uint64) bool // whether there was such a member
	// Stats are what this member tells of itself and of its followers, as JSON.
	Stats func() (self, leader []byte, err error)
}

// Paths are what a Handler (keys), an Auth (auth) and a Members (the rest) serve.
var (
	KeysPaths    = []string{Prefix, Prefix + "/"}
	AuthPaths    = []string{"/v2/auth", "/v2/auth/"}
	MembersPaths = []string{"/v2/members", "/v2/members/", "/v2/machines", "/v2/stats", "/v2/stats/"}
)

// ServeHTTP answers one request.
func (m *Members) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.Path, "/v2/members")
	switch {
	case r.URL.Path == "/v2/machines":
		m.machines(w, r)
	case strings.HasPrefix(r.URL.Path, "/v2/stats/"):
		m.stats(w, r, strings.TrimPrefix(r.URL.Path, "/v2/stats/"))
	case below && (path == "" || path[0] == '/'):
		m.members(w, r, strings.TrimPrefix(path, "/"))
	default:
		http.NotFound(w, r)
	}
}

// memberShown is how etcd 2 shows one.
type memberShown struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

func show(m *etcdserverpb.Member) memberShown {
	return memberShown{hex(m.ID), m.Name, append([]string{}, m.PeerURLs...), append([]string{}, m.ClientURLs...)}
}

func hex(id uint64) string { return strconv.FormatUint(id, 16) }

func (m *Members) list(ctx context.Context) ([]memberShown, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTimeout)
	defer cancel()
	found, err := m.Client.MemberList(ctx, clientv3.WithSerializable())
	if err != nil {
		return nil, err
	}
	var members []memberShown
	for _, one := range found.Members {
		members = append(members, show(one))
	}
	slices.SortFunc(members, func(a, b memberShown) int {
		return strings.Compare(fmt.Sprintf("%16s", a.ID), fmt.Sprintf("%16s", b.ID))
	})
	return members, nil
}

func (m *Members) machines(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "GET,HEAD")
		return
	}
	members, err := m.list(r.Context())
	if err != nil {
		refuseJSON(w, err)
		return
	}
	var urls []string
	for _, one := range members {
		urls = append(urls, one.ClientURLs...)
	}
	_, _ = w.Write([]byte(strings.Join(urls, ", ")))
}

func (m *Members) members(w http.ResponseWriter, r *http.Request, id string) {
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPut}, r.Method) {
		notAllowed(w, "GET,POST,DELETE,PUT")
		return
	}
	if r.Method != http.MethodGet {
		if err := m.Security.allowsRoot(r); err != nil {
			refuseJSON(w, err)
			return
		}
	}
	w.Header().Set("X-Etcd-Cluster-Id", m.ClusterID)
	status, answer, err := http.StatusOK, any(nil), error(nil)
	switch {
	case r.Method == http.MethodGet:
		answer, err = m.look(r.Context(), id)
	case id == "" && r.Method != http.MethodPost:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	default:
		status, answer, err = m.change(w, r, id)
	}
	if err != nil {
		refuseJSON(w, err)
		return
	}
	replyJSON(w, status, answer)
}

func (m *Members) look(ctx context.Context, id string) (any, error) {
	members, err := m.list(ctx)
	_, leader := m.Self()
	switch id {
	case "":
		return map[string][]memberShown{"members": members}, err
	case "leader":
		for _, one := range members {
			if one.ID == hex(leader) {
				return one, err
			}
		}
		return nil, errors.Join(err, &v2auth.Error{Status: http.StatusServiceUnavailable, Message: "During election"})
	}
	return nil, &v2auth.Error{Status: http.StatusNotFound, Message: "Not found"}
}

// change adds, moves or removes a member.
func (m *Members) change(w http.ResponseWriter, r *http.Request, name string) (status int, answer any, err error) {
	id, malformed := strconv.ParseUint(name, 16, 64)
	if r.Method != http.MethodPost && malformed != nil {
		return 0, nil, noSuchMember(name)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), patience, errTimeout)
	defer cancel()
	if r.Method == http.MethodDelete {
		return http.StatusNoContent, nil, m.remove(ctx, id)
	}
	urls, err := peerURLs(w, r)
	if err != nil {
		return 0, nil, err
	}
	if r.Method == http.MethodPut {
		return http.StatusNoContent, nil, m.update(ctx, id, urls)
	}
	added, err := m.Client.MemberAdd(ctx, urls)
	if err != nil {
		return 0, nil, memberError(err)
	}
	return http.StatusCreated, show(added.Member), nil
}

func (m *Members) remove(ctx context.Context, id uint64) error {
	_, err := m.Client.MemberRemove(ctx, id)
	switch {
	case !errors.Is(err, rpctypes.ErrMemberNotFound):
		return err
	case m.Removed(id):
		return &v2auth.Error{Status: http.StatusGone, Message: "Member permanently removed: " + hex(id)}
	}
	return noSuchMember(hex(id))
}

func (m *Members) update(ctx context.Context, id uint64, urls []string) error {
	_, err := m.Client.MemberUpdate(ctx, id, urls)
	switch {
	case !errors.Is(err, rpctypes.ErrMemberNotFound):
		return memberError(err)
	case m.Removed(id):
		return err // which etcd 2 has no words for
	}
	return noSuchMember(hex(id))
}

func noSuchMember(id string) error {
	return &v2auth.Error{Status: http.StatusNotFound, Message: "No such member: " + id}
}

// memberError says what etcd refuses in etcd 2's words.
func memberError(err error) error {
	if errors.Is(err, rpctypes.ErrPeerURLExist) {
		return &v2auth.Error{Status: http.StatusConflict, Message: "membership: peerURL exists"}
	}
	return err
}

func peerURLs(w http.ResponseWriter, r *http.Request) ([]string, error) {
	if kind := r.Header.Get("Content-Type"); kind != "application/json" {
		message := fmt.Sprintf("Bad Content-Type %s, accept application/json", kind)
		return nil, &v2auth.Error{Status: http.StatusUnsupportedMediaType, Message: message}
	}
	bad := func(err error) error { return &v2auth.Error{Status: http.StatusBadRequest, Message: err.Error()} }
	body, err := readBody(w, r)
	if err != nil {
		return nil, bad(err)
	}
	var asked struct{ PeerURLs []string }
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, bad(err)
	}
	urls, err := types.NewURLs(asked.PeerURLs)
	if err != nil {
		return nil, bad(err)
	}
	return urls.StringSlice(), nil
}

// stats answers what this member has counted.
func (m *Members) stats(w http.ResponseWriter, r *http.Request, kind string) {
	if kind != "self" && kind != "leader" && kind != "store" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		notAllowed(w, "GET")
		return
	}
	if kind == "store" {
		replyPlain(w, []byte(text(m.Keys.Stats())))
		return
	}
	if id, leader := m.Self(); kind == "leader" && id != leader {
		refuseJSON(w, &v2auth.Error{Status: http.StatusForbidden, Message: "not current leader"})
		return
	}
	self, leader, err := m.Stats()
	switch {
	case err != nil:
		refuseJSON(w, err)
	case kind == "leader":
		replyPlain(w, leader)
	default:
		replyPlain(w, self)
	}
}

func replyPlain(w http.ResponseWriter, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}
