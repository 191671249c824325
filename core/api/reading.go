package api

import (
	"strings"

	"argosy/core/cluster"
)

// Reading is what this API wants to know of a unit's text.
type Reading struct {
	Global      bool
	Description string
	Warnings    []string // remarks for whoever submits the text
}

// Read reads a unit's text. Its errors are Invalid and say file, line and what
// was expected.
func Read(name cluster.UnitName, text string) (Reading, error) {
	var reading Reading
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "Global":
			reading.Global = value == "true"
		case "Description":
			reading.Description = value
		}
	}
	return reading, nil
}
