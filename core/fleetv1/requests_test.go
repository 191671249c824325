package fleetv1_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

func TestParseChange(t *testing.T) {
	const options = `"options":[{"section":"Unit","name":"Description","value":"x"}]`
	const text = "[Unit]\nDescription=x\n"
	for body, want := range map[string]fleetv1.Change{
		`{}`:                          {},
		`null`:                        {},
		`{"desiredState":"launched"}`: {Desired: cluster.Launched},
		`{"name":"web.service","desiredState":"loaded"}` + "\n": {Desired: cluster.Loaded},
		`{` + options + `}`:                           {Text: text},
		`{"desiredState":"inactive",` + options + `}`: {Text: text, Desired: cluster.Inactive},
		`{"currentState":"?","machineID":"?","other":[1],"options":[],"desiredState":"inactive"}`: {Desired: cluster.Inactive},
	} {
		if got, err := fleetv1.ParseChange("web.service", []byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", body, got, err, want)
		}
	}
}

func TestParseChangeRefuses(t *testing.T) {
	for _, c := range []struct {
		name       cluster.UnitName
		body, want string
	}{
		{"web.service", ``, "unable to decode body"},
		{"web.service", `[]`, "unable to decode body"},
		{"web.service", `"launched"`, "unable to decode body"},
		{"web.service", `{"desiredState":1}`, "unable to decode body"},
		{"web.service", `{"options":{}}`, "unable to decode body"},
		{"web.service", `{"options":["a"]}`, "unable to decode body"},
		{"web.service", `{"desiredState":"launched"`, "unable to decode body"},
		{"web.service", `{"desiredState":"launched"}}`, "goes on behind its end"},
		{"web.service", "{\"desiredState\":\"\xff\"}", "not UTF-8"},
		{"web.service", strings.Repeat("[", 100_000), "unable to decode body"},
		{"web.service", `{"name":"db.service"}`, `name in URL "web.service" differs from unit name in request body "db.service"`},
		{"web.service", `{"desiredState":"running"}`, `desiredState is "running"`},
		{"web.service", `{"desiredState":"LAUNCHED"}`, "desiredState"},
		{"web@.service", `{"desiredState":"launched"}`, `cannot activate template "web@.service"`},
		{"web@.service", `{"desiredState":"loaded"}`, "cannot activate template"},
		{"web.service", `{"options":[null]}`, "option 1"},
		{"web.service", `{"options":[{}]}`, "option 1"},
		{"web.service", `{"options":[{"section":"Service","name":"ExecStart","value":"a\nUser=root"}]}`, "option 1, ExecStart= in [Service]"},
	} {
		_, err := fleetv1.ParseChange(c.name, []byte(c.body))
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Code != 400 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.80s: %v, want %s", c.name, c.body, err, c.want)
		}
	}
}

// FuzzParseChange: what is accepted has a text that reads back.
func FuzzParseChange(f *testing.F) {
	f.Add([]byte(`{"name":"web.service","desiredState":"launched","options":[{"section":"A","name":"b","value":"c \\\n d"}]}`))
	f.Add([]byte(`{"options":[null,{"value":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		change, err := fleetv1.ParseChange("web.service", body)
		if err != nil {
			return
		}
		if _, err := fleetv1.Options(change.Text); len(change.Text) <= 1<<20 && err != nil {
			t.Errorf("%q was accepted: %v", change.Text, err)
		}
		if change.Desired != "" && !change.Desired.Valid() {
			t.Errorf("desired %q", change.Desired)
		}
	})
}

func TestParsePatch(t *testing.T) {
	body := `[{"op":"add","path":"/m1/metadata/region","value":"eu"},
		{"op":"replace","path":"/m1/metadata/a.b_c-D","value":{"value":"x y"}},
		{"op":"remove","path":"/m2/metadata/region"}]`
	got, err := fleetv1.ParsePatch([]byte(body))
	want := []fleetv1.Patch{
		{Machine: "m1", Key: "region", Value: "eu"}, {Machine: "m1", Key: "a.b_c-D", Value: "x y"},
		{Machine: "m2", Key: "region", Remove: true},
	}
	if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%+v, %v", got, err)
	}
	for body, want := range map[string]string{
		``: "decode", `{}`: "decode", `[{"op":"add","path":"/m/metadata/k","value":1}]`: "decode",
		`[{"op":"add","path":"/m/metadata/k","value":{"value":[]}}]`: "decode",
		`[{"op":"test","path":"/m/metadata/k","value":"v"}]`:         "invalid op",
		`[{"path":"/m/metadata/k","value":"v"}]`:                     "invalid op",
		`[null]`:                                                     "invalid op",
		`[{"op":"add","path":"/m/metadata/k"}]`:                      "require a value",
		`[{"op":"replace","path":"/m/metadata/k","value":""}]`:       "require a value",
		`[{"op":"add","path":"/m/metadata/k","value":null}]`:         "require a value",
		`[{"op":"remove","path":"/m/metadata/"}]`:                    "path invalid",
		`[{"op":"remove","path":"/metadata/k"}]`:                     "path invalid",
		`[{"op":"remove","path":"/m/metadata/a/b"}]`:                 "path invalid",
		`[{"op":"remove","path":"/m/metadata/a b"}]`:                 "path invalid",
		`[{"op":"remove","path":"/m/metadata/k\n"}]`:                 "path invalid",
	} {
		if patches, err := fleetv1.ParsePatch([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", body, patches, err, want)
		}
	}
}

func FuzzParsePatch(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/m/metadata/k","value":{"value":"v"}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		patches, err := fleetv1.ParsePatch(body)
		for _, p := range patches {
			if err != nil || p.Machine == "" || p.Key == "" || (p.Value == "" && !p.Remove) {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

func TestShapes(t *testing.T) {
	placed := &cluster.Placement{Machine: "m2"}
	for _, c := range []struct {
		value any
		json  string
	}{
		{fleetv1.UnitOf(api.Unit{
			Name: "web.service", Desired: cluster.Launched, Current: cluster.Loaded, Text: "[Unit]\nDescription=a&b\nAfter=\n",
			On: []api.Presence{{Machine: "m1"}, {Machine: "m2", Placed: placed}},
		}), `{"currentState":"loaded","desiredState":"launched","machineID":"m2","name":"web.service",` +
			`"options":[{"name":"Description","section":"Unit","value":"a\u0026b"},{"name":"After","section":"Unit"}]}`},
		{fleetv1.UnitOf(api.Unit{Name: "g.service", Desired: cluster.Launched, Global: true, Text: "rubbish", On: []api.Presence{{Machine: "m2", Placed: placed}}}),
			`{"desiredState":"launched","name":"g.service"}`},
		{fleetv1.MachineOf(api.Machine{ID: "m1", Name: "core-01", IP: "10.0.0.1", Metadata: map[string]string{"b": "2", "a": "1"}}),
			`{"id":"m1","metadata":{"a":"1","b":"2"},"primaryIP":"10.0.0.1"}`},
		{fleetv1.UnitStateOf(api.State{Unit: "web.service", Machine: "m1", Hash: "h", Load: "loaded", Active: "active", Sub: "running", Result: "success"}),
			`{"hash":"h","machineID":"m1","name":"web.service","systemdActiveState":"active","systemdLoadState":"loaded","systemdSubState":"running"}`},
		{fleetv1.MachinePage{}, `{}`},
		{fleetv1.ErrorBody{Error: fleetv1.ErrorOf(api.Invalid("a", "b"))}, `{"error":{"code":400,"message":"a; b"}}`},
		{fleetv1.ErrorOf(cluster.ErrUnavailable), `{"code":503,"message":"fleet server unable to communicate with etcd"}`},
		{fleetv1.ErrorOf(cluster.ErrNotFound), `{"code":404,"message":"not found"}`},
	} {
		if got, err := json.Marshal(c.value); err != nil || string(got) != c.json {
			t.Errorf("%s, %v, want %s", got, err, c.json)
		}
	}
}

// TestDiscovery: every schema that the document refers to is in it, and so is
// every field that is sent.
func TestDiscovery(t *testing.T) {
	text, err := json.Marshal(fleetv1.Discovery())
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Schemas map[string]struct {
			ID         string                    `json:"id"`
			Properties map[string]map[string]any `json:"properties"`
		} `json:"schemas"`
		Resources map[string]struct {
			Methods map[string]struct{ ID, HTTPMethod, Path string } `json:"methods"`
		} `json:"resources"`
		BasePath string `json:"basePath"`
	}
	if err := json.Unmarshal(text, &document); err != nil || document.BasePath != "/fleet/v1/" {
		t.Fatalf("%s: %v", text, err)
	}
	for part := range strings.SplitSeq(string(text), `"$ref":"`) {
		if name, _, found := strings.Cut(part, `"`); found && !strings.HasPrefix(part, "{") && document.Schemas[name].ID != name {
			t.Errorf("schema %q is referred to and not there", name)
		}
	}
	for schema, fields := range map[string]string{
		"Machine": "id primaryIP metadata", "UnitOption": "section name value",
		"Unit": "name options desiredState currentState machineID", "UnitPage": "units nextPageToken",
		"MachinePage": "machines nextPageToken", "UnitStatePage": "states nextPageToken",
		"UnitState": "name hash machineID systemdLoadState systemdActiveState systemdSubState",
	} {
		for field := range strings.FieldsSeq(fields) {
			if document.Schemas[schema].Properties[field] == nil {
				t.Errorf("%s has no %s", schema, field)
			}
		}
	}
	methods := 0
	for _, r := range document.Resources {
		methods += len(r.Methods)
	}
	if set := document.Resources["Units"].Methods["Set"]; methods != 7 || set.HTTPMethod != "PUT" || set.Path != "units/{unitName}" {
		t.Errorf("%d methods, %+v", methods, set)
	}
}
