// Package fleetconf reads fleetd's configuration: fleet.conf, then the
// environment, then the command line, each overruling the one before. All
// faults are reported together, each with where it stands.
package fleetconf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// DefaultPath is where fleet has kept its configuration since 2014. The file
// may be missing there; one that was named must exist.
const DefaultPath = "/etc/fleet/fleet.conf"

// Config is all that fleetd can be told. It never changes after Load.
type Config struct {
	Verbosity      int // above 0: debug messages
	EtcdServers    []string
	RequestTimeout time.Duration // of one request to the store
	EtcdCAFile     string
	EtcdCertFile   string
	EtcdKeyFile    string
	EtcdUsername   string
	EtcdPassword   string
	PublicIP       string // empty: the address of the default route's interface
	Metadata       map[string]string
	Capacity       cluster.Capacity // what is zero in it is read from the machine
	AgentTTL       time.Duration
	TokenLimit     int // rows of a page of fleet's API
	DisableEngine  bool
	UnitsDirectory string
	Member         bool   // this machine runs a member of the store
	APIAddress     string // HOST:PORT for other machines; an empty host stands for PublicIP
	JoinAddress    string // HOST:PORT for those who have no certificate yet, on members
	Insecure       bool   // the store is not closed to those who are nobody

	settings map[string]Setting
}

// Setting is the value of one option and where it comes from.
type Setting struct {
	Name   string
	Value  string
	Origin string // "default", FILE:LINE, the variable, or the flag
	Secret bool
}

// Shown is the value for people: a secret is not in it.
func (s Setting) Shown() string {
	if s.Secret && s.Value != "" {
		return "(not shown)"
	}
	return s.Value
}

// Settings are all options that do something, in the order of the manual.
func (c Config) Settings() []Setting {
	var all []Setting
	for _, o := range options {
		if o.set != nil {
			all = append(all, c.settings[o.name])
		}
	}
	return all
}

// HasTLS says whether this machine has a certificate of its own.
func (c Config) HasTLS() bool { return c.EtcdCertFile != "" }

// CapacityOf is what the machine has to give: as read from it, or as told.
func (c Config) CapacityOf(read cluster.Capacity) cluster.Capacity {
	if c.Capacity.CPUs != 0 {
		read.CPUs = c.Capacity.CPUs
	}
	if c.Capacity.MemoryBytes != 0 {
		read.MemoryBytes = c.Capacity.MemoryBytes
	}
	read.Other = maps.Clone(c.Capacity.Other)
	return read
}

// Load reads the configuration. path is empty for DefaultPath; environ is
// os.Environ's form, of which FLEET_<NAME> counts; flags are name to value.
// Notes are remarks for the log, not faults.
func Load(path string, environ []string, flags map[string]string) (c Config, notes []string, err error) {
	c.settings = map[string]Setting{}
	for _, o := range options {
		if o.set == nil {
			continue
		}
		if err := o.set(&c, o.initial); err != nil {
			return c, nil, fmt.Errorf("default of %s: %w", o.name, err)
		}
		c.settings[o.name] = Setting{o.name, o.initial, "default", o.secret}
	}
	given, notes, err := readFile(path)
	faults := []error{err}
	for _, g := range slices.Concat(given, fromEnviron(environ), fromFlags(flags)) {
		note, err := c.take(g)
		if note != "" {
			notes = append(notes, note)
		}
		faults = append(faults, err)
	}
	return c, notes, errors.Join(append(faults, c.check())...)
}

// given is one value that was given for an option.
type given struct{ name, value, origin string }

// take sets one option. What fleet had and has no meaning here is a note.
func (c *Config) take(g given) (note string, err error) {
	o, known := find(g.name)
	switch {
	case !known:
		return "", fmt.Errorf("%s: there is no option %q%s", g.origin, g.name, meant(g.name))
	case o.set == nil:
		return fmt.Sprintf("%s: %s does nothing here: %s", g.origin, g.name, o.about), nil
	}
	if err := o.set(c, g.value); err != nil {
		return "", fmt.Errorf("%s: %s: %w", g.origin, g.name, err)
	}
	c.settings[g.name] = Setting{g.name, g.value, g.origin, o.secret}
	return "", nil
}

// check finds what is wrong with options together.
func (c Config) check() error {
	var faults []error
	if (c.EtcdCertFile == "") != (c.EtcdKeyFile == "") || c.EtcdCertFile != "" && c.EtcdCAFile == "" {
		faults = append(faults, errors.New("etcd_certfile and etcd_keyfile belong together, and to etcd_cafile: set all three"))
	}
	if (c.EtcdUsername == "") != (c.EtcdPassword == "") {
		faults = append(faults, errors.New("etcd_username and etcd_password belong together: set both or none"))
	}
	return errors.Join(faults...)
}

// Reload is what a running fleetd makes of a configuration read anew: options
// that can change while it runs are as in next, all others as they were. changed
// names the former that differ, pending those that wait for a restart.
func (c Config) Reload(next Config) (merged Config, changed, pending []string) {
	merged = c
	merged.settings = maps.Clone(c.settings)
	for _, o := range options {
		if o.set == nil {
			continue
		}
		was, is := c.settings[o.name], next.settings[o.name]
		switch {
		case o.live:
			_ = o.set(&merged, is.Value) // next was read with it
			merged.settings[o.name] = is
			if was.Value != is.Value {
				changed = append(changed, o.name)
			}
		case was.Value != is.Value:
			pending = append(pending, o.name)
		}
	}
	return merged, changed, pending
}

func fromEnviron(environ []string) []given {
	var all []given
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if key, ok := strings.CutPrefix(name, "FLEET_"); ok && value != "" {
			all = append(all, given{strings.ToLower(key), value, "environment " + name})
		}
	}
	slices.SortFunc(all, byName)
	return all
}

func fromFlags(flags map[string]string) []given {
	var all []given
	for name, value := range flags {
		all = append(all, given{name, value, "flag --" + name})
	}
	slices.SortFunc(all, byName)
	return all
}

func byName(a, b given) int { return strings.Compare(a.name, b.name) }

// meant is the option that was probably meant, as the end of a message.
func meant(name string) string {
	var names []cluster.UnitName // what api.Near compares
	for _, o := range options {
		names = append(names, cluster.UnitName(o.name))
	}
	if near := api.Near(cluster.UnitName(strings.ToLower(name)), names); len(near) > 0 {
		return fmt.Sprintf("; did you mean %s?", near[0])
	}
	return "; fleet.conf(5) lists them"
}
