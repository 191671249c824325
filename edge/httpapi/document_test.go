package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/core/signing"
	"argosy/core/unitfile"
	"argosy/edge/memstore"
	"argosy/role/registry"
)

// shapes are the Go types that the document's schemas describe.
var shapes = map[string]any{
	"Freshness": api.Freshness{}, "Page": api.Page{}, "Machines": api.Machines{}, "Machine": api.Machine{}, "Capacity": cluster.Capacity{},
	"LabelsChange": api.LabelsChange{}, "LabelsAnswer": api.LabelsAnswer{}, "Consequence": api.Consequence{},
	"Units": api.Units{}, "UnitAnswer": api.UnitAnswer{}, "Unit": api.Unit{}, "DropIn": unitfile.DropIn{}, "Presence": api.Presence{},
	"Placement": cluster.Placement{}, "UnitState": cluster.UnitState{}, "States": api.States{}, "State": api.State{},
	"UnitChange": api.UnitChange{}, "Written": api.Written{}, "WatchLine": api.WatchLine{}, "Why": api.Why{}, "Verdict": schedule.Verdict{},
	"Secrets": api.Secrets{}, "Secret": api.Secret{}, "SecretUse": api.SecretUse{}, "SecretChange": api.SecretChange{},
	"Policy": signing.Policy{}, "PolicyChange": api.PolicyChange{}, "PolicyWritten": api.PolicyWritten{},
	"SecretWritten": api.SecretWritten{}, "SecretValue": api.SecretValue{}, "Keys": api.Keys{},
	"People": api.People{}, "Person": api.Person{}, "PersonChange": api.PersonChange{}, "PersonWritten": api.PersonWritten{},
	"InvitationRequest": api.InvitationRequest{}, "Invitation": api.Invitation{}, "Entry": access.Entry{},
	"Identity": api.Identity{}, "Cluster": api.Cluster{}, "JournalPiece": api.JournalPiece{}, "ErrorBody": api.ErrorBody{}, "Error": api.Error{},
}

// words are the schemas of single values.
var words = map[string]reflect.Type{
	"UnitName": reflect.TypeFor[cluster.UnitName](), "SecretName": reflect.TypeFor[cluster.SecretName](), "MachineID": reflect.TypeFor[cluster.MachineID](), "Labels": reflect.TypeFor[map[string]string](),
	"SigningKey": reflect.TypeFor[signing.Key](), "Role": reflect.TypeFor[access.Role](), "Desired": reflect.TypeFor[cluster.Desired](), "Outcome": reflect.TypeFor[api.Outcome](), "Phase": reflect.TypeFor[cluster.Phase](),
}

// plainWords are types whose JSON is a string without a schema of its own.
var plainWords = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[cluster.Hash](), reflect.TypeFor[cluster.SecretVersions](),
	reflect.TypeFor[access.Verb](), reflect.TypeFor[access.Outcome](),
}

// theDocument is what the API serves, read by a library that checks it.
func theDocument(t *testing.T) *openapi3.T {
	t.Helper()
	response, text := ask(t, onSocket(t, member(&fakeRegistry{})), "GET", base+"/openapi.json", "")
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	document, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err == nil {
		err = document.Validate(context.Background(), openapi3.EnableExamplesValidation())
	}
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// TestDocumentTellsOfEveryRoute: each path with its methods, and no other.
func TestDocumentTellsOfEveryRoute(t *testing.T) {
	document, a := theDocument(t), member(&fakeRegistry{})
	if !strings.HasPrefix(document.OpenAPI, "3.1.") || document.Servers[0].URL != api.Base {
		t.Errorf("OpenAPI %s at %s", document.OpenAPI, document.Servers[0].URL)
	}
	told := map[string][]string{}
	for path, item := range document.Paths.Map() {
		told[path] = slices.Sorted(maps.Keys(item.Operations()))
		for method, operation := range item.Operations() {
			if operation.Summary == "" || operation.OperationID == "" || operation.Responses.Default() == nil {
				t.Errorf("%s %s has no summary, id or answer in case of an error", method, path)
			}
		}
	}
	served := map[string][]string{}
	for path, methods := range a.paths() {
		served[path] = slices.Sorted(maps.Keys(methods))
	}
	if !reflect.DeepEqual(told, served) {
		t.Errorf("the document tells of %v, served are %v", told, served)
	}
}

// TestDocumentTellsOfEveryParameter: a request with one that nobody knows is
// answered with those that are known.
func TestDocumentTellsOfEveryParameter(t *testing.T) {
	document, c := theDocument(t), onSocket(t, member(&fakeRegistry{}))
	for path, item := range document.Paths.Map() {
		if path == "/claims" || path == "/cluster" || path == "/contents/{hash}" || path == "/keys" {
			continue // only machines get as far
		}
		at := base + strings.NewReplacer("{name}", "web.service", "{id}", string(here)).Replace(path)
		for method, operation := range item.Operations() {
			if path == "/secrets/{name}" && method == "GET" {
				continue // only machines, too
			}
			told := []string{}
			for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
				if p.Value.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Value.Name)
				}
				if p.Value.In == "query" {
					told = append(told, p.Value.Name)
				}
			}
			_, text := ask(t, c, method, at+"?nobody=knows", "{}", "Content-Type", "application/json")
			var body api.ErrorBody
			if err := json.Unmarshal([]byte(text), &body); err != nil || body.Error == nil {
				t.Errorf("%s %s: %s", method, path, text)
				continue
			}
			known := []string{}
			if words, some := strings.CutPrefix(body.Error.Hint, "expected "); some {
				known = strings.Split(words, ", ")
			}
			slices.Sort(told)
			slices.Sort(known)
			if !slices.Equal(told, known) {
				t.Errorf("%s %s: the document tells of %v, known are %v", method, path, told, known)
			}
		}
	}
}

// TestDocumentTellsOfEveryField: each schema has the fields of its Go type, their
// kinds, and which of them are always there.
func TestDocumentTellsOfEveryField(t *testing.T) {
	document := theDocument(t)
	for name, schema := range document.Components.Schemas {
		shape, known := shapes[name]
		if _, word := words[name]; !known && !word {
			t.Errorf("schema %s is of no Go type", name)
		}
		if !known {
			continue
		}
		told, required := map[string]*openapi3.SchemaRef{}, map[string]bool{}
		for _, part := range append(openapi3.SchemaRefs{schema}, schema.Value.AllOf...) {
			maps.Copy(told, part.Value.Properties)
			for _, field := range part.Value.Required {
				required[field] = true
			}
		}
		for _, f := range fields(reflect.TypeOf(shape)) {
			field, documented := told[f.name]
			delete(told, f.name)
			switch {
			case !documented:
				t.Errorf("%s.%s is not in the document", name, f.name)
			case field.Value.Description == "":
				t.Errorf("%s.%s is not described", name, f.name)
			case !describes(field, f.kind):
				t.Errorf("%s.%s is a %s; the document says %s %v", name, f.name, f.kind, field.Ref, field.Value.Type)
			case required[f.name] == f.optional:
				t.Errorf("%s.%s: optional is %v; the document says otherwise", name, f.name, f.optional)
			}
		}
		for field := range told {
			t.Errorf("%s.%s is in the document and nowhere else", name, field)
		}
	}
	for name := range shapes {
		if document.Components.Schemas[name] == nil {
			t.Errorf("the document has no schema %s", name)
		}
	}
}

// field is one field of a type as JSON has it.
type field struct {
	name     string
	optional bool
	kind     reflect.Type
}

func fields(of reflect.Type) (all []field) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			all = append(all, fields(f.Type)...)
		case name != "-":
			all = append(all, field{name, strings.Contains(options, "omit"), f.Type})
		}
	}
	return all
}

// describes says whether a schema is of a Go type.
func describes(schema *openapi3.SchemaRef, kind reflect.Type) bool {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if name := schema.Ref[strings.LastIndexByte(schema.Ref, '/')+1:]; name != "" {
		return words[name] == kind || shapes[name] != nil && reflect.TypeOf(shapes[name]) == kind
	}
	s := schema.Value
	switch kind.Kind() {
	case reflect.Struct:
		return kind == reflect.TypeFor[time.Time]() && s.Type.Is("string") && s.Format == "date-time"
	case reflect.Slice:
		if kind == reflect.TypeFor[[]byte]() { // which JSON has in base64
			return s.Type.Is("string")
		}
		return s.Type.Is("array") && describes(s.Items, kind.Elem())
	case reflect.Map:
		return s.Type.Is("object") && describes(s.AdditionalProperties.Schema, kind.Elem())
	case reflect.Bool:
		return s.Type.Is("boolean")
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return s.Type.Is("integer")
	case reflect.Float64:
		return s.Type.Is("number")
	default:
		return s.Type.Is("string") && slices.Contains(plainWords, kind)
	}
}

// TestAnswersAreAsDocumented: what is answered is what its schema says.
func TestAnswersAreAsDocumented(t *testing.T) {
	document := theDocument(t)
	known := aCluster(t)
	c := onSocket(t, New(Config{Registry: known, Explainer: fakeScheduler{}, Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01", Version: "1"}))
	for _, try := range []struct{ method, path, at, body string }{
		{"GET", "/machines", "/machines", ""},
		{"GET", "/machines", "/machines?limit=1&away=true", ""},
		{"GET", "/units", "/units?unit=web.service", ""},
		{"GET", "/units", "/units?limit=1", ""},
		{"GET", "/units", "/units?limit=1&continue=x", ""},
		{"GET", "/units", "/units?limit=1&continue=" + api.Continue{List: "units", Holder: here, From: api.From{Revision: 1}}.Token(), ""},
		{"GET", "/states", "/states?limit=1", ""},
		{"GET", "/units/{name}", "/units/web.service", ""},
		{"GET", "/units/{name}", "/units/nothing.service", ""},
		{"GET", "/units/{name}/why", "/units/web.service/why", ""},
		{"PUT", "/units/{name}", "/units/web.service", `{"desired":"loaded"}`},
		{"PUT", "/units/{name}", "/units/new.service", `{"desired":"loaded","text":"[Service]\nExecStrt=/bin/true\n","ifGeneration":0}`},
		{"PUT", "/units/{name}", "/units/new.service", `{"desired":"loaded","text":"[Service]\n","ifGeneration":0}`},
		{"DELETE", "/units/{name}", "/units/web.service", ""},
		{"PATCH", "/machines/{id}/labels", "/machines/" + string(here) + "/labels", `{"set":{"region":"us"},"dryRun":true}`},
	} {
		response, text := ask(t, c, try.method, base+try.at, try.body)
		operation := document.Paths.Find(try.path).GetOperation(try.method)
		documented := operation.Responses.Status(response.StatusCode)
		if documented == nil {
			if documented = operation.Responses.Default(); response.StatusCode < http.StatusBadRequest {
				t.Errorf("%s %s: %d is not in the document", try.method, try.at, response.StatusCode)
			}
		}
		var value any
		err := json.Unmarshal([]byte(text), &value)
		if err == nil {
			err = documented.Value.Content.Get("application/json").Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
		}
		if err != nil {
			t.Errorf("%s %s: %d %s: %v", try.method, try.at, response.StatusCode, text, err)
		}
	}
}

// aCluster is a registry of a store that holds one fact of each kind.
func aCluster(t *testing.T) *registry.Registry {
	t.Helper()
	ctx, store := t.Context(), memstore.New()
	const text = "[Unit]\nDescription=A test\n"
	lease, err := store.GrantLease(ctx, time.Hour)
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fail(err)
	t.Cleanup(func() { store.EndLease(lease) })
	m, err := store.PutMachine(ctx, cluster.Machine{
		ID: here, Name: "core-01", Address: "10.10.1.1", API: "10.10.1.1:1", Member: true, BootID: "1", Lease: lease, Note: "disk is slow",
		Metadata: map[string]string{"disk": "ssd"}, Capacity: cluster.Capacity{CPUs: 2, Other: map[string]int64{"gpu": 1}}, Versions: map[string]string{"argosy": "1"},
	})
	fail(err)
	labels := cluster.Labels{Machine: here, Set: map[string]string{"region": "eu"}}
	labels, err = store.PutLabels(ctx, labels)
	fail(err)
	_, err = store.PutLabels(ctx, cluster.Labels{Machine: there, Set: map[string]string{"region": "us"}})
	fail(err)
	for _, name := range []cluster.UnitName{"far.service", "web.service"} {
		unit, err := store.PutUnit(ctx, cluster.Unit{Name: name, Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1, By: "me", At: time.Now()}, text)
		fail(err)
		term, err := store.Leader(ctx)
		if err != nil {
			term, err = store.TakeLead(ctx, cluster.Leader{Machine: here})
		}
		fail(err)
		_, err = store.Commit(ctx, term, []schedule.Change{schedule.Place{
			Placement:    cluster.Placement{Machine: here, Unit: name, Hash: unit.Hash, Desired: unit.Desired, Generation: 1, Reason: "the only one", At: time.Now()},
			UnitRevision: unit.Revision, MachineRevision: m.Revision, LabelsRevision: labels.Revision,
		}})
		fail(err)
		fail(store.PutStates(ctx, lease, here, []cluster.UnitState{{
			Unit: name, Hash: unit.Hash, Generation: 1, Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code",
			Phase: cluster.Settled, Problem: "disk is full", Note: "look",
		}}, nil))
	}
	known := registry.New(store, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- known.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		fail(<-ended)
	})
	for _, err := known.Freshness(); err != nil; _, err = known.Freshness() {
		runtime.Gosched() // until the first batch has come
	}
	return known
}
