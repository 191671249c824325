package etcdnode

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/pkg/v3/flags"
)

// prefix of etcd's variables; ETCDCTL_* are another program's.
const prefix = "ETCD"

// variable is the environment variable of a flag.
func variable(flagName string) string { return flags.FlagToEnv(prefix, flagName) }

// readEnvironment sets the flags that the command line did not. All faults are
// reported at once. Where a flag and its variable are both given the flag wins;
// etcd's own command refuses to start then.
func (line *commandLine) readEnvironment(environment []string) error {
	values := map[string]string{}
	for _, assignment := range environment {
		name, value, _ := strings.Cut(assignment, "=")
		if strings.HasPrefix(name, prefix+"_") && value != "" {
			values[name] = value
		}
	}
	given := names(line.flags)
	var faults []error
	line.flags.VisitAll(func(f *flag.Flag) {
		name := variable(f.Name)
		value, set := values[name]
		delete(values, name)
		if !set || f.Name == "version" || slices.Contains(given, "--"+f.Name) {
			return
		}
		if err := line.flags.Set(f.Name, value); err != nil {
			faults = append(faults, fmt.Errorf("%s=%q: %w", name, value, err))
		}
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		line.settings.Warnings = append(line.settings.Warnings, fmt.Sprintf("%s is ignored: etcd has no such setting", name))
	}
	return errors.Join(faults...)
}
