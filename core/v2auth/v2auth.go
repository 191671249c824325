// Package v2auth says who may do what with the keys of etcd 2's API: its users
// and roles, the requests that change them, and the words it answers with. The
// facts come from etcd's v2 auth documents and from asking etcd 3.4 itself.
//
// A State is plain data. Who keeps it, and how a password is known again, is
// decided elsewhere: here a Password is a hash that nobody looks into.
package v2auth

import (
	"fmt"
	"slices"
	"strings"
)

// Root is the user who may do all, and the role that makes him so; Guest is the
// role of who gives no name.
const (
	Root  = "root"
	Guest = "guest"
)

// Error is a refusal as clients get it.
type Error struct {
	Status  int // of HTTP
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(status int, format string, values ...any) error {
	return &Error{status, fmt.Sprintf(format, values...)}
}

// User is who may ask, as stored and as in a request to change one.
type User struct {
	User     string   `json:"user"`
	Password string   `json:"password,omitempty"`
	Roles    []string `json:"roles"`
	Grant    []string `json:"grant,omitempty"`
	Revoke   []string `json:"revoke,omitempty"`
}

// Role is a list of keys that may be read and written.
type Role struct {
	Role        string       `json:"role"`
	Permissions Permissions  `json:"permissions"`
	Grant       *Permissions `json:"grant,omitempty"`
	Revoke      *Permissions `json:"revoke,omitempty"`
}

// Permissions are patterns: a key, or with * at the end what begins so.
type Permissions struct {
	KV Access `json:"kv"`
}

// Access is Permissions' inner part; the answers have null where nobody gave any.
type Access struct {
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

// State is all that is known.
type State struct {
	Enabled bool
	Users   map[string]User
	Roles   map[string]Role // without root's
	// Prepared says that etcd would have made its places for users and roles.
	Prepared bool `json:",omitempty"`

	steps int
}

// preparing is how many steps etcd's index takes when it first changes a user or
// role, or tries to and finds that it cannot: a directory, one for users, one for
// roles, and that nobody is asked for names.
const preparing = 4

// Steps are how many steps etcd's index would have taken since the State was read:
// it keeps users and roles in the same tree as the keys.
func (s *State) Steps() int { return s.steps }

// keep counts how many users, roles and such were written.
func (s *State) keep(written int) {
	if !s.Prepared {
		s.Prepared = true
		s.steps += preparing
	}
	s.steps += written
}

// New is a State that lets everybody do everything.
func New() *State { return &State{Users: map[string]User{}, Roles: map[string]Role{}} }

var everything = Permissions{KV: Access{Read: []string{"/*"}, Write: []string{"/*"}}}

// Enable asks for names from now on. Who gives none may do what guests may: all,
// until that role is changed.
func (s *State) Enable() error {
	if s.Enabled {
		return refuse(409, "auth: already enabled")
	}
	if _, there := s.Users[Root]; !there {
		return refuse(409, "auth: No root user available, please create one")
	}
	if _, there := s.Roles[Guest]; !there {
		s.Roles[Guest] = Role{Role: Guest, Permissions: everything}
		s.keep(1)
	}
	s.Enabled = true
	s.keep(1)
	return nil
}

// Disable asks for names no more.
func (s *State) Disable() error {
	if !s.Enabled {
		return refuse(409, "auth: already disabled")
	}
	s.Enabled = false
	s.keep(1)
	return nil
}

// GetUser is a user as he counts: root always has its role.
func (s *State) GetUser(name string) (User, error) {
	user, there := s.Users[name]
	if !there {
		return User{}, refuse(404, "auth: User %s does not exist.", name)
	}
	return user.effective(), nil
}

func (u User) effective() User {
	if u.User == Root && !slices.Contains(u.Roles, Root) {
		u.Roles = append(slices.Clone(u.Roles), Root)
	}
	return u
}

// PutUser makes a user or changes one, as the request says, and returns the user
// without the password.
func (s *State) PutUser(asked User) (user User, created bool, err error) {
	before, there := s.Users[asked.User]
	before = before.effective()
	switch changes := len(asked.Grant)+len(asked.Revoke) > 0; {
	case changes && len(asked.Roles) > 0:
		return user, false, refuse(400, "User JSON contains both roles and grant/revoke")
	case changes && !there:
		return user, false, refuse(404, "auth: User %s does not exist.", asked.User)
	case changes || there && len(asked.Roles) == 0:
		user, err = before.merge(asked)
	case asked.Password == "":
		err = refuse(400, "auth: Cannot create user %s with an empty password", asked.User)
	case there:
		s.keep(0)
		err = refuse(409, "auth: User %s already exists.", asked.User)
	default:
		user = User{User: asked.User, Password: asked.Password, Roles: asked.Roles}.effective()
		created = len(asked.Roles) == 0
	}
	if err != nil {
		return User{}, false, err
	}
	s.Users[asked.User] = user
	s.keep(1)
	user.Password = ""
	return user, created, nil
}

// merge is the user after a change.
func (u User) merge(asked User) (User, error) {
	merged := User{User: u.User, Password: u.Password, Roles: append([]string{}, u.Roles...)}
	if asked.Password != "" {
		merged.Password = asked.Password
	}
	for _, role := range asked.Grant {
		if slices.Contains(merged.Roles, role) {
			return u, refuse(409, "auth: Granting duplicate role %s for user %s", role, u.User)
		}
		merged.Roles = append(merged.Roles, role)
	}
	for _, role := range asked.Revoke {
		place := slices.Index(merged.Roles, role)
		if place < 0 {
			return u, refuse(409, "auth: Revoking ungranted role %s for user %s", role, u.User)
		}
		merged.Roles = slices.Delete(merged.Roles, place, place+1)
	}
	slices.Sort(merged.Roles)
	if merged.Password == u.Password && same(merged.Roles, u.Roles) {
		return u, refuse(400, "auth: User not updated. Use grant/revoke/password to update the user.")
	}
	return merged, nil
}

// DeleteUser forgets a user.
func (s *State) DeleteUser(name string) error {
	if s.Enabled && name == Root {
		return refuse(403, "auth: Cannot delete root user while auth is enabled.")
	}
	if _, there := s.Users[name]; !there {
		s.keep(0)
		return refuse(404, "auth: User %s does not exist", name)
	}
	delete(s.Users, name)
	s.keep(1)
	return nil
}

// GetRole is a role; root's is always there.
func (s *State) GetRole(name string) (Role, error) {
	if name == Root {
		return Role{Role: Root, Permissions: everything}, nil
	}
	role, there := s.Roles[name]
	if !there {
		return Role{}, refuse(404, "auth: Role %s does not exist.", name)
	}
	return role, nil
}

// PutRole makes a role, or changes one by Grant and Revoke.
func (s *State) PutRole(asked Role) (role Role, created bool, err error) {
	before, there := s.Roles[asked.Role]
	switch changes := !asked.Grant.empty() || !asked.Revoke.empty(); {
	case asked.Role == Root:
		err = refuse(403, "auth: Cannot modify role root: is root role.")
	case changes && !there:
		err = refuse(404, "auth: Role %s does not exist.", asked.Role)
	case changes:
		role, err = before.merge(asked)
	case there:
		s.keep(0)
		err = refuse(409, "auth: Role %s already exists.", asked.Role)
	default:
		role, created = Role{Role: asked.Role, Permissions: asked.Permissions}, true
	}
	if err != nil {
		return Role{}, false, err
	}
	s.Roles[asked.Role] = role
	s.keep(1)
	return role, created, nil
}

func (p *Permissions) empty() bool { return p == nil || len(p.KV.Read)+len(p.KV.Write) == 0 }

func (r Role) merge(asked Role) (Role, error) {
	merged := r
	var err error
	if asked.Grant != nil {
		if merged.Permissions.KV, err = merged.Permissions.KV.grant(asked.Grant.KV); err != nil {
			return r, err
		}
	}
	if asked.Revoke != nil {
		merged.Permissions.KV = merged.Permissions.KV.revoke(asked.Revoke.KV)
	}
	if same(merged.Permissions.KV.Read, r.Permissions.KV.Read) && same(merged.Permissions.KV.Write, r.Permissions.KV.Write) {
		return r, refuse(400, "auth: Role not updated. Use grant/revoke to update the role.")
	}
	return merged, nil
}

// same tells none from not given, as etcd does.
func same(a, b []string) bool { return slices.Equal(a, b) && (a == nil) == (b == nil) }

func (a Access) grant(more Access) (Access, error) {
	for _, added := range []struct {
		kind string
		to   *[]string
		more []string
	}{{"read", &a.Read, more.Read}, {"write", &a.Write, more.Write}} {
		*added.to = slices.Clone(*added.to)
		for _, pattern := range added.more {
			if slices.Contains(*added.to, pattern) {
				return a, refuse(409, "auth: Granting duplicate %s permission %s", added.kind, pattern)
			}
			*added.to = append(*added.to, pattern)
		}
		slices.Sort(*added.to)
	}
	return a, nil
}

// revoke passes over what was not granted, as etcd does.
func (a Access) revoke(less Access) Access {
	without := func(patterns, less []string) []string {
		left := slices.DeleteFunc(append([]string{}, patterns...), func(p string) bool { return slices.Contains(less, p) })
		slices.Sort(left)
		return left
	}
	return Access{Read: without(a.Read, less.Read), Write: without(a.Write, less.Write)}
}

// DeleteRole forgets a role; who had it keeps its name only.
func (s *State) DeleteRole(name string) error {
	if name == Root {
		return refuse(403, "auth: Cannot modify role root: is root role.")
	}
	if _, there := s.Roles[name]; !there {
		s.keep(0)
		return refuse(404, "auth: Role %s doesn't exist.", name)
	}
	delete(s.Roles, name)
	s.keep(1)
	return nil
}

// Want is what somebody wants to do with a key.
type Want struct {
	Key              string
	Write, Recursive bool
}

// May tells whether the roles let one do it.
func (s *State) May(roles []string, want Want) bool {
	for _, name := range roles {
		role, err := s.GetRole(name)
		if err != nil {
			continue
		}
		patterns := role.Permissions.KV.Read
		if want.Write {
			patterns = role.Permissions.KV.Write
		}
		if name == Root || slices.ContainsFunc(patterns, want.matches) {
			return true
		}
	}
	return false
}

func (w Want) matches(pattern string) bool {
	if beginning, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(w.Key, beginning)
	}
	return w.Key == pattern && !w.Recursive
}
