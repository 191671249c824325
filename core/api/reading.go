package api

import (
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Reading is what this API wants to know of a unit's text.
type Reading struct {
	Global      bool
	Metadata    []unitfile.Metadata // what a machine must have
	Description string
	Warnings    []string // remarks for whoever submits the text
}

// Read checks a unit's text. Its errors are Invalid and say file, line and what
// was expected.
func Read(name cluster.UnitName, text string) (Reading, error) {
	file, err := unitfile.Parse(string(name), text)
	if err != nil {
		return Reading{}, Invalid(err.Error(), "")
	}
	wants, err := file.Requirements(name)
	if err != nil {
		return Reading{}, Invalid(err.Error(), "")
	}
	return Reading{Global: wants.Global, Metadata: wants.Metadata, Description: description(file), Warnings: file.Warnings()}, nil
}

// glance reads what is stored already, whose name does not matter here: it is
// read as a template, which leaves most to its instances.
func glance(text string) Reading {
	reading, err := Read("stored@.service", text)
	if err != nil {
		return Reading{} // checked when it came in; of anything else the text is still shown
	}
	reading.Warnings = nil
	return reading
}

func description(file *unitfile.File) string {
	values := file.Values("Unit", "Description")
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1].Value
}
