package v2keys

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"argosy/core/v2auth"
)

// Auth serves /v2/auth: users, roles, and whether names are asked for.
type Auth struct {
	Security  *Security
	ClusterID string
}

// largestRequest is far beyond what a person writes.
const largestRequest = 1 << 20

// ServeHTTP answers below /v2/auth/.
func (a *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, name, below := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/auth/"), "/")
	name, deeper, _ := strings.Cut(name, "/")
	named := name != ""
	allowed := "GET,PUT,DELETE"
	if kind != "enable" && !named {
		allowed = "GET"
	}
	switch {
	case kind != "users" && kind != "roles" && (kind != "enable" || below):
		http.NotFound(w, r)
		return
	case !slices.Contains(strings.Split(allowed, ","), r.Method):
		if deeper == "" {
			notAllowed(w, allowed)
			return
		}
	}
	if deeper != "" {
		refuseJSON(w, &v2auth.Error{Status: http.StatusBadRequest, Message: "Invalid path"})
		return
	}
	if kind != "enable" || r.Method != http.MethodGet {
		if err := a.Security.allowsRoot(r); err != nil {
			refuseJSON(w, err)
			return
		}
	}
	w.Header().Set("X-Etcd-Cluster-Id", a.ClusterID)
	status, answer, err := a.serve(w, r, kind, name)
	if err != nil {
		refuseJSON(w, err)
		return
	}
	replyJSON(w, status, answer)
}

func (a *Auth) serve(w http.ResponseWriter, r *http.Request, kind, name string) (status int, answer any, err error) {
	if kind == "enable" {
		answer, err = a.enable(r)
		return http.StatusOK, answer, err
	}
	return a.named(w, r, kind, name)
}

func (a *Auth) enable(r *http.Request) (any, error) {
	if r.Method == http.MethodGet {
		state, err := a.Security.now(r.Context())
		if err != nil {
			return nil, err
		}
		return map[string]bool{"enabled": state.Enabled}, nil
	}
	change := (*v2auth.State).Enable
	if r.Method == http.MethodDelete {
		change = (*v2auth.State).Disable
	}
	return nil, a.Security.change(r.Context(), change)
}

// named serves what is below users and roles.
func (a *Auth) named(w http.ResponseWriter, r *http.Request, kind, name string) (status int, answer any, err error) {
	switch {
	case r.Method == http.MethodGet:
		var state *v2auth.State
		if state, err = a.Security.now(r.Context()); err == nil {
			answer, err = find(state, kind, name)
		}
		return http.StatusOK, answer, err
	case r.Method == http.MethodDelete:
		forget := (*v2auth.State).DeleteUser
		if kind == "roles" {
			forget = (*v2auth.State).DeleteRole
		}
		err = a.Security.change(r.Context(), func(state *v2auth.State) error { return forget(state, name) })
		return http.StatusOK, nil, err
	case kind == "users":
		return a.putUser(w, r, name)
	}
	return a.putRole(w, r, name)
}

// granted is a user with the roles in full, as only questions are answered.
type granted struct {
	User  string        `json:"user"`
	Roles []v2auth.Role `json:"roles,omitempty"`
}

func find(state *v2auth.State, kind, name string) (any, error) {
	switch {
	case kind == "roles" && name != "":
		return state.GetRole(name)
	case kind == "users" && name != "":
		user, missing := expand(state, name)
		return user, missing
	case kind == "users":
		var users []granted
		for _, name := range slices.Sorted(maps.Keys(state.Users)) {
			user, _ := expand(state, name)
			users = append(users, user)
		}
		return map[string][]granted{"users": users}, nil
	}
	var roles []v2auth.Role
	for _, name := range slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(state.Roles)), v2auth.Root))) {
		role, _ := state.GetRole(name) // it is there
		roles = append(roles, role)
	}
	return map[string][]v2auth.Role{"roles": roles}, nil
}

// expand shows a user with those roles that there are; missing names another one.
func expand(state *v2auth.State, name string) (user granted, missing error) {
	found, err := state.GetUser(name)
	if err != nil {
		return granted{}, err
	}
	user.User = found.User
	for _, name := range found.Roles {
		role, err := state.GetRole(name)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		user.Roles = append(user.Roles, role)
	}
	return user, missing
}

func (a *Auth) putUser(w http.ResponseWriter, r *http.Request, name string) (status int, answer any, err error) {
	var asked, user v2auth.User
	if !readJSON(w, r, &asked) {
		return 0, nil, errBadJSON
	}
	if asked.User != name {
		return 0, nil, &v2auth.Error{Status: http.StatusBadRequest, Message: "User JSON name does not match the name in the URL"}
	}
	if asked.Password != "" {
		if asked.Password, err = a.Security.hash(r.Context(), asked.Password); err != nil {
			return 0, nil, &v2auth.Error{Status: http.StatusBadRequest, Message: err.Error()}
		}
	}
	created := false
	err = a.Security.change(r.Context(), func(state *v2auth.State) (err error) {
		user, created, err = state.PutUser(asked)
		return err
	})
	return made(created), user, err
}

func (a *Auth) putRole(w http.ResponseWriter, r *http.Request, name string) (status int, answer any, err error) {
	var asked, role v2auth.Role
	if !readJSON(w, r, &asked) {
		return 0, nil, errBadJSON
	}
	if asked.Role != name {
		return 0, nil, &v2auth.Error{Status: http.StatusBadRequest, Message: "Role JSON name does not match the name in the URL"}
	}
	created := false
	err = a.Security.change(r.Context(), func(state *v2auth.State) (err error) {
		role, created, err = state.PutRole(asked)
		return err
	})
	return made(created), role, err
}

func made(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

var errBadJSON = &v2auth.Error{Status: http.StatusBadRequest, Message: "Invalid JSON in request body."}

func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	text, err := readBody(w, r)
	return err == nil && json.Unmarshal(text, into) == nil
}

func notAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
}

// replyJSON answers nothing but the status where there is nothing to tell.
func replyJSON(w http.ResponseWriter, status int, answer any) {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	if answer != nil {
		_, _ = w.Write(append([]byte(text(answer)), '\n'))
	}
}

// refuseJSON answers as etcd 2 does all but keys: what is no refusal is not told.
func refuseJSON(w http.ResponseWriter, err error) {
	refusal := &v2auth.Error{Status: http.StatusInternalServerError, Message: "Internal Server Error"}
	_ = errors.As(err, &refusal)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refusal.Status)
	_, _ = w.Write([]byte(text(map[string]string{"message": refusal.Message})))
}
