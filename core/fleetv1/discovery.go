package fleetv1

// object is a JSON object under construction.
type object = map[string]any

// Discovery is the document that client bindings of this API are generated from,
// in the format of Google's API discovery service. It names what fleet's named;
// rootUrl is left for the client to fill in, as it was there.
func Discovery() any {
	return object{
		"kind": "discovery#restDescription", "discoveryVersion": "v1",
		"id": "fleet:v1", "name": "schema", "version": "v1",
		"title": "fleet API", "description": "", "documentationLink": "http://github.com/coreos/fleet",
		"protocol": "rest", "icons": object{"x16": "", "x32": ""}, "labels": []string{},
		"rootUrl": "$ENDPOINT/", "servicePath": "fleet/v1/", "basePath": Base + "/",
		"baseUrl": "$ENDPOINT" + Base + "/", "batchPath": "batch",
		"parameters": object{}, "auth": object{},
		"schemas":   schemas(),
		"resources": resources(),
	}
}

func schemas() object {
	text := object{"type": "string"}
	state := object{"type": "string", "enum": []string{"inactive", "loaded", "launched"}}
	all := object{}
	schema := func(name string, properties object) {
		all[name] = object{"id": name, "type": "object", "properties": properties}
	}
	page := func(name, field, of string) {
		schema(name, object{field: list(of), "nextPageToken": text})
	}
	schema("Machine", object{
		"id": text, "primaryIP": text,
		"metadata": object{"type": "object", "properties": object{}, "additionalProperties": text},
	})
	schema("UnitOption", object{"section": text, "name": text, "value": text})
	schema("Unit", object{
		"name": text, "options": list("UnitOption"), "desiredState": state, "currentState": state,
		"machineID": object{"type": "string", "required": true},
	})
	schema("UnitState", object{
		"name": text, "hash": text, "machineID": text,
		"systemdLoadState": text, "systemdActiveState": text, "systemdSubState": text,
	})
	page("MachinePage", "machines", "Machine")
	page("UnitPage", "units", "Unit")
	page("UnitStatePage", "states", "UnitState")
	return all
}

func resources() object {
	named := func(m object) object {
		m["parameters"] = object{"unitName": object{"type": "string", "location": "path", "required": true}}
		m["parameterOrder"] = []string{"unitName"}
		return m
	}
	filtered := func(m object, by ...string) object {
		parameters := object{}
		for _, name := range append(by, "nextPageToken") {
			parameters[name] = object{"type": "string", "location": "query"}
		}
		m["parameters"] = parameters
		return m
	}
	answers := func(m object, schema string) object {
		m["response"] = reference(schema)
		return m
	}
	set := named(method("fleet.Unit.Set", "PUT", "units/{unitName}", "Create or update a Unit."))
	set["request"] = reference("Unit")
	return object{
		"Machines": object{"methods": object{
			"List": answers(filtered(method("fleet.Machine.List", "GET", "machines", "Retrieve a page of Machine objects.")), "MachinePage"),
		}},
		"Units": object{"methods": object{
			"List":   answers(filtered(method("fleet.Unit.List", "GET", "units", "Retrieve a page of Unit objects.")), "UnitPage"),
			"Get":    answers(named(method("fleet.Unit.Get", "GET", "units/{unitName}", "Retrieve a single Unit object.")), "Unit"),
			"Delete": named(method("fleet.Unit.Delete", "DELETE", "units/{unitName}", "Delete the referenced Unit object.")),
			"Set":    set,
		}},
		"UnitState": object{"methods": object{
			"List": answers(filtered(method("fleet.UnitState.List", "GET", "state", "Retrieve a page of UnitState objects."),
				"unitName", "machineID"), "UnitStatePage"),
			"Get": answers(named(method("fleet.UnitState.Get", "GET", "state/{unitName}", "Retrieve a single UnitState object.")), "UnitState"),
		}},
	}
}

func list(of string) object { return object{"type": "array", "items": reference(of)} }

func reference(schema string) object { return object{"$ref": schema} }

func method(id, verb, path, description string) object {
	return object{"id": id, "httpMethod": verb, "path": path, "description": description}
}
