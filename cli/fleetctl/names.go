package fleetctl

import (
	"path/filepath"
	"strings"

	"argosy/cli"
	"argosy/core/cluster"
)

// withSuffix appends .service to what does not end in a unit's type, as fleet does.
func withSuffix(arg string) string {
	if _, err := cluster.ParseUnitName("x" + filepath.Ext(arg)); err == nil {
		return arg
	}
	return arg + ".service"
}

// unitNamed is the unit that an argument means: a name or a path, with or
// without a suffix.
func unitNamed(arg string) (cluster.UnitName, error) {
	name, err := cluster.ParseUnitName(filepath.Base(withSuffix(strings.TrimSpace(arg))))
	if err != nil {
		return "", cli.Coded(cli.ExitUsage, err)
	}
	return name, nil
}

// unitsNamed is unitNamed of several arguments, each unit once.
func unitsNamed(args []string) ([]cluster.UnitName, error) {
	if len(args) == 0 {
		return nil, cli.Coded(cli.ExitOK, fleets("No units given")) // as fleet: said, and no error
	}
	var names []cluster.UnitName
	seen := map[cluster.UnitName]bool{}
	for _, arg := range args {
		name, err := unitNamed(arg)
		if err != nil {
			return nil, err
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, nil
}
