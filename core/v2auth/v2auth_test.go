package v2auth

import "testing"

func TestWhoMay(t *testing.T) {
	state := New()
	if _, _, err := state.PutRole(Role{Role: "r", Permissions: Permissions{KV: Access{Read: []string{"/a/*", "/b"}, Write: []string{"/a/*", "/foo*"}}}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		roles string
		want  Want
		may   bool
	}{
		{"r", Want{Key: "/a/x"}, true},
		{"r", Want{Key: "/a/x", Recursive: true}, true},
		{"r", Want{Key: "/a"}, false},
		{"r", Want{Key: "/b"}, true},
		{"r", Want{Key: "/b", Recursive: true}, false},
		{"r", Want{Key: "/b", Write: true}, false},
		{"r", Want{Key: "/foobar", Write: true, Recursive: true}, true},
		{"r", Want{Key: "/"}, false},
		{"unknown", Want{Key: "/a/x"}, false},
		{Root, Want{Key: "/", Write: true, Recursive: true}, true},
		{Guest, Want{Key: "/a/x"}, false},
	} {
		if got := state.May([]string{test.roles}, test.want); got != test.may {
			t.Errorf("%s %+v: %v", test.roles, test.want, got)
		}
	}
}

// TestARefusalChangesNothing: what was there may be shared with who reads it.
func TestARefusalChangesNothing(t *testing.T) {
	state := New()
	if _, _, err := state.PutUser(User{User: "bob", Password: "x", Roles: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	before := state.Users["bob"]
	if _, _, err := state.PutUser(User{User: "bob", Grant: []string{"c"}, Revoke: []string{"a", "z"}}); err == nil {
		t.Error("what is not granted was revoked")
	}
	if got := state.Users["bob"].Roles; len(got) != 2 || before.Roles[0] != "a" {
		t.Errorf("roles %v, before %v", got, before.Roles)
	}
}

// TestStepsAsEtcd: what is written takes a step each; the first time, or the first
// try that finds nothing, four more.
func TestStepsAsEtcd(t *testing.T) {
	state := New()
	before := 0
	for _, c := range []struct {
		what  string
		takes int
		do    func() error
	}{
		{"forget root's role", 0, func() error { return state.DeleteRole(Root) }},
		{"ask for names without root", 0, state.Enable},
		{"forget nobody", 4, func() error { return state.DeleteUser("bob") }},
		{"forget nobody again", 0, func() error { return state.DeleteUser("bob") }},
		{"make root", 1, func() error { _, _, err := state.PutUser(User{User: Root, Password: "x"}); return err }},
		{"change nothing", 0, func() error { _, _, err := state.PutUser(User{User: Root}); return err }},
		{"ask for names, guests made", 2, state.Enable},
		{"ask again", 0, state.Enable},
		{"ask no more", 1, state.Disable},
		{"ask for names, guests there", 1, state.Enable},
		{"make a role", 1, func() error { _, _, err := state.PutRole(Role{Role: "r"}); return err }},
		{"make it again", 0, func() error { _, _, err := state.PutRole(Role{Role: "r"}); return err }},
		{"forget it", 1, func() error { return state.DeleteRole("r") }},
	} {
		_ = c.do()
		if took := state.Steps() - before; took != c.takes {
			t.Errorf("%s: %d steps, want %d", c.what, took, c.takes)
		}
		before = state.Steps()
	}
}
