package fleetctl

import (
	"fmt"
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
	if unit := dropInOf(arg); unit != "" {
		return "", cli.Coded(cli.ExitUsage, fmt.Errorf("%s is a drop-in of %s, which goes to the cluster with its drop-ins: name %s", arg, unit, unit))
	}
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

// dropInOf is the unit whose folder of drop-ins, or a file in it, a path names;
// "" where it names neither.
func dropInOf(path string) cluster.UnitName {
	path = filepath.Clean(strings.TrimSpace(path))
	if strings.HasSuffix(path, ".conf") {
		path = filepath.Dir(path)
	}
	owner, is := strings.CutSuffix(filepath.Base(path), ".d")
	unit, err := cluster.ParseUnitName(owner)
	if !is || err != nil {
		return ""
	}
	return unit
}
