package fleetv1_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
	"argosy/core/unitfile"
	handler "argosy/edge/fleetv1"
	"argosy/edge/memstore"
	"argosy/role/registry"
)

func TestPathsAndMethods(t *testing.T) {
	run(t, func(b *bench) {
		for _, base := range []string{"/fleet/v1", "/v1-alpha"} {
			for _, path := range []string{"/machines", "/units", "/state", "/discovery"} {
				b.want(200, "", "GET", base+path, "")
				b.want(200, "", "GET", base+path+"?alt=json&other=1", "")
			}
			b.want(405, "base of the API", "GET", base, "")
			b.want(405, "base of the API", "PUT", base, "{}")
			for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "BREW"} {
				b.want(405, "only GET and PATCH supported", method, base+"/machines", "")
				b.want(405, "only GET supported", method, base+"/units", "")
				b.want(405, "only GET supported", method, base+"/state", "")
				b.want(405, "only GET supported", method, base+"/state/web.service", "")
				b.want(400, "only HTTP GET supported", method, base+"/discovery", "")
			}
			b.want(405, "only GET, PUT and DELETE supported", "POST", base+"/units/web.service", "")
			b.want(405, "only GET, PUT and DELETE supported", "PATCH", base+"/units/web.service", "")
			for _, path := range []string{"/", "/unit", "/units/", "/units/a/b", "/units/web.service/", "/state/", "/state/a/b", "/machines/x", "x", "/discovery/"} {
				b.want(404, "no such resource", "GET", base+path, "")
			}
		}
		b.want(404, "no such resource", "GET", "/fleet/v3/units", "")
		b.want(404, "unit does not exist", "GET", "/fleet/v1/units/web.service", "")
		b.want(404, "unit does not exist", "GET", "/fleet/v1/units/rubbish", "")
		b.want(404, "unit does not exist", "DELETE", "/fleet/v1/units/web.service", "")
		b.want(404, "unit does not exist", "DELETE", "/fleet/v1/units/rub%20bish", "")
		b.want(404, "no machine has the unit", "GET", "/fleet/v1/state/web.service", "")
		b.want(404, "no machine has the unit", "GET", "/fleet/v1/state/rubbish", "")
		if got := b.ask("GET", "/fleet/v1/units", ""); got.body != `{}` || got.header.Get("Age") != "0" || got.header.Get("Argosy-Stale") != "" {
			b.Errorf("an empty list is %s, with %v", got.body, got.header)
		}
	})
}

// TestLifeOfAUnit goes through what fleet's documents show.
func TestLifeOfAUnit(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/units/web.service"
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "launched"))
		got := b.ask("GET", path, "")
		want := `{"currentState":"inactive","desiredState":"launched","name":"web.service",` +
			`"options":[{"name":"ExecStart","section":"Service","value":"/usr/bin/sleep 3000"}]}`
		if got.body != want {
			b.Errorf("%s, want %s", got.body, want)
		}
		stored, _, err := b.store.Unit(b.Context(), "web.service")
		if err != nil || stored.Hash != cluster.HashOf(sleeperText) || stored.By != "tester" {
			b.Errorf("stored %+v, %v", stored, err)
		}
		if text, err := b.store.Content(b.Context(), stored.Hash); err != nil || text != sleeperText {
			b.Errorf("stored %q, %v", text, err)
		}
		b.want(204, "", "PUT", path, fmt.Sprintf(sleeper, "launched")) // as it is
		b.want(204, "", "PUT", path, fmt.Sprintf(sleeper, "loaded"))
		b.want(204, "", "PUT", path, `{"desiredState":"inactive","name":"web.service"}`)
		b.wantDesired("web.service", cluster.Inactive)
		b.want(409, "must provide DesiredState", "PUT", path, `{}`)
		b.want(409, "must provide DesiredState", "PUT", path, `{"options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep 3000"}]}`)
		b.want(204, "", "DELETE", path, "")
		b.want(404, "unit does not exist", "GET", path, "")
		b.want(404, "unit does not exist", "DELETE", path, "")
		b.want(409, "unit does not exist and options field empty", "PUT", path, `{"desiredState":"launched"}`)
		b.want(409, "unit does not exist and options field empty", "PUT", path, `{}`)
		if units, _ := read[fleetv1.UnitPage](b, "/fleet/v1/units"); len(units.Units) != 0 {
			b.Errorf("left: %+v", units)
		}
	})
}

func (b *bench) wantDesired(name cluster.UnitName, want cluster.Desired) {
	b.Helper()
	if stored, _, err := b.store.Unit(b.Context(), name); err != nil || stored.Desired != want {
		b.Errorf("stored %+v, %v, want %s", stored, err, want)
	}
}

func TestReplace(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/units/web.service"
		const other = `{"options":[{"section":"Service","name":"ExecStart","value":"/bin/true"}]%s}`
		b.want(201, "", "PUT", path, fmt.Sprintf(other, "")) // without a state: inactive
		b.wantDesired("web.service", cluster.Inactive)
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "launched"))
		b.want(201, "", "PUT", path, fmt.Sprintf(other, "")) // keeps its state, and so its machine
		b.wantDesired("web.service", cluster.Launched)
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "loaded"))
		b.wantDesired("web.service", cluster.Loaded)

		// A text with comments, from elsewhere: fleet's clients send its options
		// back, and that changes nothing.
		const commented = "# by hand\n" + sleeperText
		if _, err := b.store.PutUnit(b.Context(), cluster.Unit{Name: "hand.service", Hash: cluster.HashOf(commented), Desired: cluster.Loaded}, commented); err != nil {
			b.Fatal(err)
		}
		synctest.Wait()
		b.want(204, "", "PUT", "/fleet/v1/units/hand.service", fmt.Sprintf(sleeper, "launched"))
		if stored, _, _ := b.store.Unit(b.Context(), "hand.service"); stored.Hash != cluster.HashOf(commented) || stored.Desired != cluster.Launched {
			b.Errorf("stored %+v", stored)
		}
	})
}

// TestDropIns: fleet knew none. Its clients see all options as one file, and
// sending those back changes nothing.
func TestDropIns(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/units/web.service"
		content := unitfile.Bundle{Text: sleeperText, DropIns: []unitfile.DropIn{{Name: "10-a.conf", Text: "[Service]\nNice=1\n"}}}.Content()
		if _, err := b.store.PutUnit(b.Context(), cluster.Unit{Name: "web.service", Hash: cluster.HashOf(content), Desired: cluster.Loaded}, content); err != nil {
			b.Fatal(err)
		}
		synctest.Wait()
		unit, _ := read[fleetv1.Unit](b, path)
		if len(unit.Options) != 2 || unit.Options[1] != (fleetv1.Option{Section: "Service", Name: "Nice", Value: "1"}) {
			b.Fatalf("options %+v", unit.Options)
		}
		body, err := json.Marshal(fleetv1.Unit{Options: unit.Options, DesiredState: "launched"})
		if err != nil {
			b.Fatal(err)
		}
		b.want(204, "", "PUT", path, string(body))
		if stored, _, _ := b.store.Unit(b.Context(), "web.service"); stored.Hash != cluster.HashOf(content) || stored.Desired != cluster.Launched {
			b.Errorf("stored %+v", stored)
		}
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "launched")) // one file, without Nice=
		if stored, _, _ := b.store.Unit(b.Context(), "web.service"); stored.Hash != cluster.HashOf(sleeperText) {
			b.Errorf("stored %+v", stored)
		}
	})
}

// TestDestroyedBehindOurBack: what is known here is older than the store.
func TestDestroyedBehindOurBack(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/units/web.service"
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "launched"))
		stored, _, _ := b.store.Unit(b.Context(), "web.service")
		for range 20 { // each time the view may or may not have learned of it
			if err := b.store.DeleteUnit(b.Context(), "web.service", stored.Revision); err != nil {
				b.Fatal(err)
			}
			b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "loaded"))
			stored, _, _ = b.store.Unit(b.Context(), "web.service")
		}
		b.wantDesired("web.service", cluster.Loaded)
	})
}

// TestEncodedNames: fleet's clients escape what needs no escape.
func TestEncodedNames(t *testing.T) {
	run(t, func(b *bench) {
		for _, name := range []string{"web@1.service", `dev-disk\x2d1.mount`, "a:b_c.timer"} {
			path := "/fleet/v1/units/" + url.QueryEscape(name)
			b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "inactive"))
			if unit, _ := read[fleetv1.Unit](b, path); unit.Name != name {
				b.Errorf("%s is %+v", name, unit)
			}
		}
	})
}

func TestBadRequestsStoreNothing(t *testing.T) {
	run(t, func(b *bench) {
		option := func(section, name, value string) string {
			text, _ := json.Marshal(map[string]any{"desiredState": "inactive", "options": []any{map[string]string{"section": section, "name": name, "value": value}}})
			return string(text)
		}
		good := fmt.Sprintf(sleeper, "inactive")
		for _, c := range []struct{ name, body, message string }{
			{".service", good, "expected a name before the suffix"},
			{"web", good, "expected a suffix"}, {"web.exe", good, "no unit type"}, {"@.service", good, "expected a name"},
			{"w%20b.service", good, "the character ' '"}, {"w%2500.service", good, "the character '%'"},
			{strings.Repeat("a", 300) + ".service", good, "at most 255"}, {"x@1.mount", good, "no templates"},
			{"web.service", "", "unable to decode body"}, {"web.service", "rubbish", "unable to decode body"},
			{"web.service", `{"name":"db.service"}`, "differs from unit name"},
			{"web.service", fmt.Sprintf(sleeper, "running"), "expected inactive, loaded or launched"},
			{"web@.service", fmt.Sprintf(sleeper, "launched"), "cannot activate template"},
			{"web@.service", fmt.Sprintf(sleeper, "loaded"), "cannot activate template"},
			{"web.service", `{"options":[null]}`, "option 1"},
			{"web.service", option("Service", "ExecStart", "a\nUser=root"), "option 1, ExecStart= in [Service]"},
			{"web.service", option("", "ExecStart", "a"), "option 1"},
			{"web.service", option("X-Fleet", "Global", "perhaps"), "Global="},
			{"web.service", option("X-Fleet", "MachineMetadata", "region"), "KEY=VALUE"},
			{"web.service", option("X-Fleet", "Conflicts", "[a"), "every bracket closed"},
			{"web.service", option("X-Fleet", "MachineID", "core-01"), "32 hexadecimal digits"},
			{"web.service", option("X-Fleet", "MachineOf", "web.service"), "names the unit itself"},
			{"web.service", option("Unit", "Description", strings.Repeat("x", 1<<20)), "option 1"},
			{
				"web.service", `{"options":[{"section":"X-Fleet","name":"Global","value":"true"},{"section":"X-Fleet","name":"MachineOf","value":"db.service"}]}`,
				"cannot stand together",
			},
		} {
			b.want(400, c.message, "PUT", "/fleet/v1/units/"+c.name, c.body)
		}
		for kind, message := range map[string]string{"text/plain": "only acceptable", "": "only acceptable", "application/json2": "only acceptable"} {
			r := httptest.NewRequest("PUT", "/fleet/v1/units/web.service", strings.NewReader(good))
			r.Header.Set("Content-Type", kind)
			b.wantError(b.send(r), 415, message)
		}
		b.wantError(b.send(httptest.NewRequest("PUT", "/fleet/v1/units/web.service", strings.NewReader(good))), 415, "expected 1 Content-Type, got 0")
		endless := httptest.NewRequest("PUT", "/fleet/v1/units/web.service", io.MultiReader(strings.NewReader(`{"name":"`), zeros{}))
		endless.Header.Set("Content-Type", "application/json; charset=utf-8")
		b.wantError(b.send(endless), 413, "larger than")
		endless = httptest.NewRequest("PATCH", "/fleet/v1/machines", zeros{})
		b.wantError(b.send(endless), 413, "larger than")
		for _, query := range []string{"nextPageToken=", "nextPageToken=x", "nextPageToken=ZAACAA==", "nextPageToken=a&nextPageToken=b", "%zz"} {
			for _, path := range []string{"machines", "units", "state"} {
				b.want(400, "", "GET", "/fleet/v1/"+path+"?"+query, "")
			}
		}
		if n := b.store.Writes(); n != 0 {
			b.Errorf("%d writes", n)
		}

		// What is stored stays when a change of it is refused.
		b.want(201, "", "PUT", "/fleet/v1/units/web.service", good)
		b.want(400, "expected inactive", "PUT", "/fleet/v1/units/web.service", `{"desiredState":"gone"}`)
		b.want(201, "", "PUT", "/fleet/v1/units/web@.service", good)
		b.want(400, "cannot activate template", "PUT", "/fleet/v1/units/web@.service", `{"desiredState":"launched"}`)
		b.want(200, "", "GET", "/fleet/v1/units/web.service", "")
		b.want(204, "", "DELETE", "/fleet/v1/units/web.service", "")
		if n := b.store.Writes(); n != 3 {
			b.Errorf("%d writes", n)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestMachinesAndStates(t *testing.T) {
	run(t, func(b *bench) {
		leaseTwo := b.join(machineTwo, nil)
		leaseOne := b.join(machineOne, map[string]string{"region": "eu"})
		got := b.ask("GET", "/fleet/v1/machines", "")
		want := fmt.Sprintf(`{"machines":[{"id":%q,"metadata":{"region":"eu"},"primaryIP":"10.0.0.1"},{"id":%q,"primaryIP":"10.0.0.1"}]}`, machineOne, machineTwo)
		if got.body != want {
			b.Errorf("%s, want %s", got.body, want)
		}
		state := func(name cluster.UnitName) cluster.UnitState {
			return cluster.UnitState{Unit: name, Hash: "abc", Load: "loaded", Active: "active", Sub: "running", Phase: cluster.Settled}
		}
		b.publish(leaseOne, machineOne, state("a.service"), state("g.service"))
		b.publish(leaseTwo, machineTwo, state("g.service"), state("z.service"))
		for query, want := range map[string]string{
			"":                                 "a1 g1 g2 z2",
			"?machineID=" + string(machineTwo): "g2 z2",
			"?unitName=g.service":              "g1 g2",
			"?unitName=&machineID=":            "a1 g1 g2 z2",
			"?unitName=b.service":              "",
			"?unitName=rubbish":                "",
			"?machineID=rubbish":               "",
			"?unitName=g.service&machineID=" + string(machineOne): "g1",
			"?unitName=a.service&machineID=" + string(machineTwo): "",
		} {
			page, _ := read[fleetv1.UnitStatePage](b, "/fleet/v1/state"+query)
			var rows []string
			for _, s := range page.States {
				rows = append(rows, s.Name[:1]+s.MachineID[:1])
			}
			if got := strings.Join(rows, " "); got != want || page.NextPageToken != "" {
				b.Errorf("state%s: %s, want %s", query, got, want)
			}
		}
		want = fmt.Sprintf(`{"hash":"abc","machineID":%q,"name":"g.service","systemdActiveState":"active","systemdLoadState":"loaded","systemdSubState":"running"}`, machineOne)
		if got := b.ask("GET", "/fleet/v1/state/g.service", ""); got.body != want {
			b.Errorf("%s, want %s", got.body, want)
		}
	})
}

// TestPages: rows that come and go between pages neither hide others nor show them twice.
func TestPages(t *testing.T) {
	run(t, func(b *bench) {
		b.join(machineOne, nil)
		name := func(i int) string { return fmt.Sprintf("web@%03d.service", i) }
		for i := range 250 {
			b.put(name(i))
		}
		seen, token, pages := map[string]int{}, "", 0
		for pages < 5 {
			page, _ := read[fleetv1.UnitPage](b, "/fleet/v1/units"+token)
			for _, u := range page.Units {
				seen[u.Name]++
				if len(u.Options) != 1 {
					b.Errorf("%s has options %v", u.Name, u.Options)
				}
			}
			if pages++; page.NextPageToken == "" {
				break
			}
			if len(page.Units) != fleetv1.PageRows {
				b.Errorf("page %d has %d rows", pages, len(page.Units))
			}
			token = "?nextPageToken=" + url.QueryEscape(page.NextPageToken)
			b.want(400, "nextPageToken", "GET", "/fleet/v1/state"+token, "")
			// One goes and one comes, both on pages that were given already.
			b.want(204, "", "DELETE", "/fleet/v1/units/"+name(pages*3), "")
			b.put(fmt.Sprintf("a%d.service", pages))
		}
		for i := range 250 {
			if seen[name(i)] != 1 {
				b.Errorf("%s came %d times", name(i), seen[name(i)])
			}
		}
		if pages != 3 {
			b.Errorf("%d pages", pages)
		}
	})
}

func (b *bench) put(name string) {
	b.Helper()
	if _, err := b.store.PutUnit(b.Context(), cluster.Unit{Name: cluster.UnitName(name), Hash: cluster.HashOf(sleeperText), Desired: cluster.Inactive}, sleeperText); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

func TestPagesOfMachinesAndStates(t *testing.T) {
	run(t, func(b *bench) {
		machines := 2*fleetv1.PageRows + 1
		for i := range machines {
			id := cluster.MachineID(fmt.Sprintf("%032x", i))
			lease := b.join(id, nil)
			b.publish(lease, id, cluster.UnitState{Unit: "g.service"}, cluster.UnitState{Unit: "h.service"})
		}
		pages, seen := 0, map[string]int{}
		for token, more := "", true; more && pages < 4; pages++ {
			page, _ := read[fleetv1.MachinePage](b, "/fleet/v1/machines"+token)
			for _, m := range page.Machines {
				seen[m.ID]++
			}
			token, more = "?nextPageToken="+url.QueryEscape(page.NextPageToken), page.NextPageToken != ""
		}
		if pages != 3 || len(seen) != machines {
			b.Errorf("%d pages of %d machines", pages, len(seen))
		}
		pages, seen = 0, map[string]int{}
		for token, more := "", true; more && pages < 4; pages++ {
			page, _ := read[fleetv1.UnitStatePage](b, "/fleet/v1/state?unitName=h.service"+token)
			for _, s := range page.States {
				seen[s.Name+s.MachineID]++
			}
			token, more = "&nextPageToken="+url.QueryEscape(page.NextPageToken), page.NextPageToken != ""
		}
		if pages != 3 || len(seen) != machines {
			b.Errorf("%d pages of %d states", pages, len(seen))
		}
	})
}

// TestTokenOfALaterRevision: a page token must be answered from what is no older,
// and where that does not come, from what there is.
func TestTokenOfALaterRevision(t *testing.T) {
	run(t, func(b *bench) {
		b.put("b.service")
		token := fleetv1.Token{Kind: fleetv1.Units, Revision: 1 << 40, Unit: "a.service"}.String()
		began := time.Now()
		page, _ := read[fleetv1.UnitPage](b, "/fleet/v1/units?nextPageToken="+url.QueryEscape(token))
		if waited := time.Since(began); len(page.Units) != 1 || waited != time.Second {
			b.Errorf("%+v after %s", page, waited)
		}
	})
}

// TestStoreAway: reads go on and tell their age, writes say what is wrong.
func TestStoreAway(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/units/web.service"
		b.want(201, "", "PUT", path, fmt.Sprintf(sleeper, "launched"))
		b.store.SetAway(true)
		time.Sleep(90 * time.Second) // the bubble's
		for _, path := range []string{path, "/fleet/v1/units", "/fleet/v1/machines", "/fleet/v1/state"} {
			got := b.ask("GET", path, "")
			if got.code != 200 || got.header.Get("Age") != "90" || !strings.Contains(got.header.Get("Argosy-Stale"), "cannot be reached; as of 2000-01-01T00:00:0") {
				b.Errorf("GET %s: %d with %v", path, got.code, got.header)
			}
		}
		b.want(503, fleetv1.Unavailable, "PUT", path, `{"desiredState":"inactive"}`)
		b.want(503, fleetv1.Unavailable, "DELETE", path, "")
		b.want(400, "expected inactive", "PUT", path, `{"desiredState":"?"}`)
		b.store.SetAway(false)
		synctest.Wait()
		b.want(204, "", "PUT", path, `{"desiredState":"inactive"}`)
		if got := b.ask("GET", path, ""); got.header.Get("Age") != "0" || got.header.Get("Argosy-Stale") != "" {
			b.Errorf("%v", got.header)
		}
	})
}

// TestNothingKnown: a registry that has never reached the store.
func TestNothingKnown(t *testing.T) {
	reg := registry.New(memstore.New(), slog.New(slog.DiscardHandler))
	b := &bench{T: t, handler: handler.New(handler.Config{Registry: reg, By: called(""), May: anything, Version: "1.2.3"})}
	for _, path := range []string{"machines", "units", "units/web.service", "state", "state/web.service"} {
		b.want(503, fleetv1.Unavailable, "GET", "/fleet/v1/"+path, "")
	}
	b.want(503, fleetv1.Unavailable, "PUT", "/fleet/v1/units/web.service", fmt.Sprintf(sleeper, "launched"))
	b.want(200, "", "GET", "/fleet/v1/discovery", "")
}

// called is who asks in a test.
func called(name string) func(*http.Request) access.Caller {
	return func(*http.Request) access.Caller { return access.Caller{Account: access.Account{Name: name}} }
}

// anything is what everybody may do where that is not what is tested.
func anything(*http.Request, access.Verb, cluster.UnitName) error { return nil }
