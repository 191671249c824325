package fleetv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Change is the body of PUT units/NAME, checked.
type Change struct {
	Text    string          // the options as a unit file; empty where none were given
	Desired cluster.Desired // empty where none was given
}

// ParseChange reads the body of PUT units/NAME. Fields that are not known, or
// not for the client to set, are ignored, as in fleet. All that is wrong whatever
// is stored is refused here; the unit file itself is checked when it is stored.
func ParseChange(name cluster.UnitName, body []byte) (Change, error) {
	var given Unit
	if err := decode(body, &given); err != nil {
		return Change{}, err
	}
	desired := cluster.Desired(given.DesiredState)
	switch {
	case given.Name != "" && given.Name != string(name):
		return Change{}, api.Invalid(fmt.Sprintf("name in URL %q differs from unit name in request body %q", name, given.Name), "")
	case desired != "" && !desired.Valid():
		return Change{}, api.Invalid(fmt.Sprintf("desiredState is %q", desired), "expected inactive, loaded or launched")
	case name.IsTemplate() && desired != "" && desired != cluster.Inactive:
		return Change{}, api.Invalid(fmt.Sprintf("cannot activate template %q", name),
			fmt.Sprintf("name an instance, such as %s@1%s", name.Prefix(), name.Suffix()))
	}
	if err := Check(given.Options); err != nil {
		return Change{}, err
	}
	return Change{Text: Text(given.Options), Desired: desired}, nil
}

// Patch is one operation on a machine's metadata.
type Patch struct {
	Machine string
	Key     string
	Value   string
	Remove  bool
}

// MostPatches bounds the operations of one request.
const MostPatches = 1000

// MachinePatch is all that one request asks for one machine.
type MachinePatch struct {
	Machine cluster.MachineID
	Change  api.LabelsChange
}

// ByMachine puts together what the operations come to for each machine, in the
// order in which each is first named: of two on one key the later counts.
func ByMachine(patches []Patch) ([]MachinePatch, error) {
	var all []MachinePatch
	index := map[string]int{}
	for i, patch := range patches {
		at, known := index[patch.Machine]
		if !known {
			id, err := cluster.ParseMachineID(patch.Machine)
			if err != nil {
				return nil, api.Invalid(err.Error(), fmt.Sprintf("look at operation %d", i+1))
			}
			at = len(all)
			index[patch.Machine] = at
			all = append(all, MachinePatch{id, api.LabelsChange{Set: map[string]string{}}})
		}
		change := &all[at].Change
		change.Remove = slices.DeleteFunc(change.Remove, func(key string) bool { return key == patch.Key })
		delete(change.Set, patch.Key)
		if patch.Remove {
			change.Remove = append(change.Remove, patch.Key)
		} else {
			change.Set[patch.Key] = patch.Value
		}
	}
	for _, one := range all {
		if err := one.Change.Valid(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// patchPath is fleet's: any machine, seen before or not.
func patchPath() *regexp.Regexp {
	return regexp.MustCompile(`^/([^/]+)/metadata/([A-Za-z0-9_.-]+)$`)
}

// ParsePatch reads the body of PATCH machines. One wrong operation refuses all.
func ParsePatch(body []byte) ([]Patch, error) {
	var given []struct {
		Op    string     `json:"op"`
		Path  string     `json:"path"`
		Value patchValue `json:"value"`
	}
	if err := decode(body, &given); err != nil {
		return nil, err
	}
	if len(given) > MostPatches {
		return nil, api.Invalid(fmt.Sprintf("%d operations in one request", len(given)), fmt.Sprintf("send at most %d", MostPatches))
	}
	patches := make([]Patch, 0, len(given))
	path := patchPath()
	for i, op := range given {
		bad := func(message string) ([]Patch, error) {
			return nil, api.Invalid(message, fmt.Sprintf("look at operation %d", i+1))
		}
		at := path.FindStringSubmatch(op.Path)
		remove := op.Op == "remove"
		switch {
		case op.Op != "add" && op.Op != "replace" && !remove:
			return bad("invalid op: expect add, remove, or replace")
		case at == nil:
			return bad("machine metadata path invalid: expect /MACHINE-ID/metadata/KEY")
		case op.Value == "" && !remove:
			return bad("invalid value: add and replace require a value")
		}
		patches = append(patches, Patch{Machine: at[1], Key: at[2], Value: string(op.Value), Remove: remove})
	}
	return patches, nil
}

// patchValue is written "V" in fleet's documents and {"value": "V"} by clients
// made from its schema.
type patchValue string

func (v *patchValue) UnmarshalJSON(text []byte) error {
	var bare string
	if json.Unmarshal(text, &bare) == nil {
		*v = patchValue(bare)
		return nil
	}
	var wrapped struct {
		Value string `json:"value"`
	}
	err := json.Unmarshal(text, &wrapped)
	*v = patchValue(wrapped.Value)
	return err
}

func at(field string) string {
	if field == "" {
		return ""
	}
	return "at " + field
}

// kind is JSON's word for what a Go value is read from.
func kind(k reflect.Kind) string {
	switch k {
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "object"
	case reflect.String:
		return "string"
	}
	return k.String()
}

// decode reads one JSON value and no more.
func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return api.Invalid("unable to decode body: it is not UTF-8", "")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) { // its own message shows our types
			err = fmt.Errorf("%s is no %s", strings.TrimSpace("a JSON "+wrong.Value+" "+at(wrong.Field)), kind(wrong.Type.Kind()))
		}
		return api.Invalid(fmt.Sprintf("unable to decode body: %v", err), "")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return api.Invalid("unable to decode body: it goes on behind its end", "send one JSON value")
	}
	return nil
}
