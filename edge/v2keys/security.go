package v2keys

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/crypto/bcrypt"

	"argosy/core/keyspace"
	"argosy/core/v2auth"
)

// securityKey holds JSON of a v2auth.State: users, roles, and whether names are
// asked for. Any member writes it, by compare-and-swap.
const securityKey = Base + "security"

// Security knows who may do what. It follows securityKey; until Run has read it
// nobody is let in.
type Security struct {
	client  *clientv3.Client
	keys    Keys
	report  func(error)
	state   atomic.Pointer[v2auth.State]
	loaded  chan struct{}
	hashing chan struct{} // held while a password is looked at, which is slow on purpose

	mu    sync.Mutex
	known map[string][sha256.Size]byte // of each user, the password and hash that matched last
}

// NewSecurity does nothing until Run. The keys' index takes a step for each change.
func NewSecurity(client *clientv3.Client, keys Keys, report func(error)) *Security {
	return &Security{client: client, keys: keys, report: report, loaded: make(chan struct{}),
		hashing: make(chan struct{}, 1), known: map[string][sha256.Size]byte{}}
}

// Run follows what is kept until ctx ends.
func (s *Security) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			s.report(fmt.Errorf("follow the v2 users: %w", err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Security) follow(ctx context.Context) error {
	revision, err := s.load(ctx)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	for response := range s.client.Watch(watching, securityKey, clientv3.WithRev(revision+1)) {
		if err := response.Err(); err != nil {
			return err
		}
		if _, err := s.load(ctx); err != nil {
			return err
		}
	}
	return errors.New("the watch ended")
}

func (s *Security) load(ctx context.Context) (revision int64, err error) {
	state, _, revision, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	s.state.Store(state)
	select {
	case <-s.loaded:
	default:
		close(s.loaded)
	}
	return revision, nil
}

func (s *Security) read(ctx context.Context) (state *v2auth.State, modified, revision int64, err error) {
	got, err := s.client.Get(ctx, securityKey)
	if err != nil {
		return nil, 0, 0, err
	}
	state = v2auth.New()
	if len(got.Kvs) > 0 {
		modified = got.Kvs[0].ModRevision
		if err := json.Unmarshal(got.Kvs[0].Value, state); err != nil {
			return nil, 0, 0, fmt.Errorf("read %s: %w", securityKey, err)
		}
	}
	return state, modified, got.Header.Revision, nil
}

// change makes one change, on what is there at that moment. This member goes by
// it when change returns; the others when their watch has told them.
func (s *Security) change(ctx context.Context, change func(*v2auth.State) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTimeout)
	defer cancel()
	for {
		state, modified, _, err := s.read(ctx)
		if err != nil {
			return err
		}
		refusal := change(state)
		if state.Steps() == 0 {
			return refusal
		}
		done, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(securityKey), "=", modified)).
			Then(clientv3.OpPut(securityKey, text(state))).Commit()
		if err != nil {
			return err
		}
		if !done.Succeeded {
			continue
		}
		if _, err := s.load(ctx); err != nil {
			return err
		}
		for range state.Steps() {
			if _, err := s.keys.Write(ctx, keyspace.Step{}); err != nil {
				return fmt.Errorf("step the index for a change of users: %w", err)
			}
		}
		return refusal
	}
}

// now is the State that this member goes by.
func (s *Security) now(ctx context.Context) (*v2auth.State, error) {
	select {
	case <-s.loaded:
		return s.state.Load(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// hash is a password as it is kept.
func (s *Security) hash(ctx context.Context, password string) (string, error) {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-s.hashing }()
	hashed, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hashed), err
}

// who are the roles of the one who asks; false for a name or password that is wrong.
func (s *Security) who(state *v2auth.State, r *http.Request) (roles []string, known bool) {
	name, password, given := r.BasicAuth()
	if !given {
		return []string{v2auth.Guest}, r.Header.Get("Authorization") == ""
	}
	user, err := state.GetUser(name)
	if err != nil || !s.matches(r.Context(), user, password) {
		return nil, false
	}
	return user.Roles, true
}

// matches looks at a password. bcrypt takes tens of milliseconds, so what matched
// last is remembered, and a flood of wrong ones takes one processor at most.
func (s *Security) matches(ctx context.Context, user v2auth.User, password string) bool {
	sum := sha256.Sum256([]byte(user.Password + "\x00" + password))
	s.mu.Lock()
	before, there := s.known[user.User]
	s.mu.Unlock()
	if there && before == sum {
		return true
	}
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-s.hashing }()
	if bcrypt.CompareHashAndPassword([]byte(user.Password), []byte(password)) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[user.User] = sum
	return true
}

// allows tells whether the request may do what it wants; the refusal is etcd's.
func (s *Security) allows(r *http.Request, request keyspace.Request) error {
	if s == nil {
		return nil
	}
	state, err := s.now(r.Context())
	if err != nil || !state.Enabled {
		return err
	}
	key, recursive := keyspace.Concerns(request)
	_, write := request.(keyspace.Write)
	roles, known := s.who(state, r)
	if !known || !state.May(roles, v2auth.Want{Key: string(key), Write: write, Recursive: recursive}) {
		return &keyspace.Error{Code: keyspace.Unauthorized, Cause: "Insufficient credentials"}
	}
	return nil
}

var errCredentials = &v2auth.Error{Status: http.StatusUnauthorized, Message: "Insufficient credentials"}

// allowsRoot tells whether the request may change users, roles and members.
func (s *Security) allowsRoot(r *http.Request) error {
	state, err := s.now(r.Context())
	if err != nil || !state.Enabled {
		return err
	}
	roles, known := s.who(state, r)
	for _, role := range roles {
		if known && role == v2auth.Root {
			return nil
		}
	}
	return errCredentials
}
