package api

import (
	"errors"

	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

// Reading is what this API wants to know of a unit's text.
type Reading struct {
	Global      bool
	Description string
	Warnings    []string // remarks for whoever submits the text
}

// Read checks a unit's file and drop-ins. Its errors are Invalid and say file,
// line and what was expected.
func Read(name cluster.UnitName, unit unitfile.Bundle) (Reading, error) {
	file, reading, err := understand(name, unit)
	if err == nil {
		err = errors.Join(file.Startable(name), signing.Check(name, unit))
	}
	if err != nil {
		return Reading{}, Invalid(err.Error(), "")
	}
	reading.Warnings = file.Warnings()
	return reading, nil
}

// Reread is what the content that a unit is stored with says. It was checked,
// and warned of, when it came in; of what cannot be read all the same, nothing.
func Reread(name cluster.UnitName, content string) Reading {
	unit, err := unitfile.ReadBundle(content)
	if err != nil {
		return Reading{}
	}
	_, reading, _ := understand(name, unit)
	return reading
}

func understand(name cluster.UnitName, unit unitfile.Bundle) (*unitfile.File, Reading, error) {
	file, err := unit.Parse(string(name))
	if err != nil {
		return nil, Reading{}, err
	}
	wants, err := file.Requirements(name)
	if err != nil {
		return nil, Reading{}, err
	}
	return file, Reading{Global: wants.Global, Description: description(file)}, nil
}

// glance reads what is stored already, whose name does not matter here: it is
// read as a template, which leaves most to its instances.
func glance(content string) Reading { return Reread("stored@.service", content) }

func description(file *unitfile.File) string {
	values := file.Values("Unit", "Description")
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1].Value
}
