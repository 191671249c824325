//go:build store

package v2cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// changing is one cluster of the two that are asked to change their members.
type changing struct {
	members []*member
	web     *http.Client
	names   *strings.Replacer // what differs between the two, by what it is
	added   string            // the id of the member that was added
}

// name makes the addresses and ids of two clusters comparable.
func (a *changing) name(t *testing.T) {
	t.Helper()
	var names []string
	for i, m := range a.members {
		names = append(names, m.host, fmt.Sprintf("HOST-%d", i))
	}
	for _, m := range a.list(t) {
		names = append(names, m.ID, "ID-"+m.Name)
		if m.Name == "" {
			a.added = m.ID
		}
	}
	a.names = strings.NewReplacer(names...)
}

type listed struct {
	ID, Name             string
	PeerURLs, ClientURLs []string
}

func (a *changing) list(t *testing.T) []listed {
	t.Helper()
	text, err := ask(t.Context(), a.web, http.MethodGet, a.members[0].client()+"/v2/members", nil)
	var answer struct{ Members []listed }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatalf("list the members: %s: %v", text, err)
	}
	return answer.Members
}

// shown is the list in an order that both have.
func (a *changing) shown(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, m := range a.list(t) {
		lines = append(lines, a.names.Replace(fmt.Sprintf("%+v", m)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// change asks with a body of JSON, in which b is the second member's host and in
// the path ADDED the added member's id; and says what was answered.
func (a *changing) change(t *testing.T, method, path string, urls ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string][]string{"peerURLs": urls})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(body), "HOST-1", a.members[1].host)
	target := a.members[0].client() + "/v2/members" + strings.ReplaceAll(path, "ADDED", a.added)
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.web.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusCreated {
		a.name(t)
	}
	return fmt.Sprintf("%s %q cluster %t %s", response.Status, response.Header.Get("Content-Type"),
		response.Header.Get("X-Etcd-Cluster-Id") != "", a.names.Replace(string(answer)))
}

// settled waits until the cluster lets its members be changed: etcd refuses that
// until they have been connected for a while.
func (a *changing) settled(t *testing.T) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if last = a.change(t, http.MethodPost, "", "http://HOST-1:2380"); strings.HasPrefix(last, "409 ") {
			return
		}
	}
	t.Fatalf("the cluster takes no changes of its members: %s", last)
}

// TestMembersChangeAsEtcd adds a member, moves it and removes it, and compares
// every answer with etcd's.
func TestMembersChangeAsEtcd(t *testing.T) {
	web := newWeb()
	defer web.CloseIdleConnections()
	ours := &changing{members: start(t, 2), web: web}
	reference := &changing{members: startReference(t, 2), web: web}
	for _, a := range []*changing{reference, ours} {
		a.name(t)
		a.settled(t)
	}
	const first, second = "http://127.9.9.9:2380", "http://127.9.9.8:1"
	for _, step := range []struct {
		want, method, path string
		urls               []string
	}{
		{"409", "POST", "", []string{"http://HOST-1:2380"}},
		{"400", "POST", "", nil},
		{"400", "POST", "", []string{"http://127.9.9.9"}},
		{"201", "POST", "", []string{first}},
		{"500", "POST", "", []string{"http://127.9.9.7:1"}}, // a second that is down would take the majority
		{"404", "GET", "/ADDED", nil},
		{"204", "PUT", "/ADDED", []string{first}},
		{"204", "PUT", "/ADDED", []string{first, second}},
		{"204", "PUT", "/00ADDED", []string{second}},
		{"409", "PUT", "/ADDED", []string{"http://HOST-1:2380"}},
		{"400", "PUT", "/ADDED", nil},
		{"404", "PUT", "/ADDED/", []string{first}},
		{"404", "PUT", "/0012", []string{first}},
		{"404", "PUT", "/leader", []string{first}},
		{"404", "DELETE", "/leader", nil},
		{"404", "DELETE", "/0012", nil},
		{"404", "DELETE", "/ADDED/", nil},
		{"405", "DELETE", "", nil},
		{"405", "PUT", "/", nil},
		{"204", "DELETE", "/ADDED", nil},
		{"410", "DELETE", "/ADDED", nil},
		{"410", "DELETE", "/0ADDED", nil},
		{"500", "PUT", "/ADDED", []string{first}},
		{"201", "POST", "/leader", []string{second}}, // etcd reads no path here
		{"204", "DELETE", "/ADDED", nil},
	} {
		theirs, answer := reference.change(t, step.method, step.path, step.urls...), ours.change(t, step.method, step.path, step.urls...)
		if answer != theirs || !strings.HasPrefix(answer, step.want+" ") {
			t.Errorf("%s %s %v, expected %s\n--- etcd\n%s\n--- ours\n%s", step.method, step.path, step.urls, step.want, theirs, answer)
		}
		if a, b := reference.shown(t), ours.shown(t); a != b {
			t.Errorf("after %s %s the members are\n--- etcd\n%s\n--- ours\n%s", step.method, step.path, a, b)
		}
		ours.knownToV3(t)
	}
}

// TestMembersRemovedByV3AsEtcd: who was removed with etcd 3's API is known to have
// been a member, on every member and after it began again.
func TestMembersRemovedByV3AsEtcd(t *testing.T) {
	web := newWeb()
	defer web.CloseIdleConnections()
	answers := map[string][]string{}
	for side, members := range map[string][]*member{"etcd": startReference(t, 3), "ours": start(t, 3)} {
		a := &changing{members: members, web: web}
		a.name(t)
		a.settled(t)
		last := members[2]
		for _, m := range a.list(t) {
			if m.Name == last.name {
				a.added = m.ID
			}
		}
		id, err := strconv.ParseUint(a.added, 16, 64)
		if err == nil {
			_, err = members[0].connect(t).MemberRemove(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		last.kill()
		for range 2 {
			for _, m := range members[:2] {
				m.await(t) // the one that was removed may have led
				for _, method := range []string{http.MethodDelete, http.MethodPut} {
					asked := &changing{members: []*member{m, members[1]}, web: web, names: a.names, added: a.added}
					answers[side] = append(answers[side], asked.change(t, method, "/ADDED", "http://127.9.9.9:2380"))
				}
			}
			members[0].kill()
			members[0].start(t)
		}
	}
	if !slices.Equal(answers["etcd"], answers["ours"]) || !strings.HasPrefix(answers["ours"][0], "410 ") {
		t.Errorf("--- etcd\n%s\n--- ours\n%s", strings.Join(answers["etcd"], "\n"), strings.Join(answers["ours"], "\n"))
	}
}

// knownToV3: what v2 lists is what v3 lists.
func (a *changing) knownToV3(t *testing.T) {
	t.Helper()
	found, err := a.members[1].connect(t).MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var v2, v3 []string
	for _, m := range a.list(t) {
		v2 = append(v2, fmt.Sprint(m.ID, m.Name, m.PeerURLs, m.ClientURLs))
	}
	for _, m := range found.Members {
		v3 = append(v3, fmt.Sprint(fmt.Sprintf("%x", m.ID), m.Name, m.PeerURLs, m.ClientURLs))
	}
	slices.Sort(v2)
	slices.Sort(v3)
	if !slices.Equal(v2, v3) {
		t.Errorf("v2 lists %q and v3 %q", v2, v3)
	}
}
