// Package fleetconf reads fleetd's configuration: fleet.conf, then the
// environment, then the command line, each overruling the one before. All
// faults are reported together, each with where it stands.
package fleetconf

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/ini.v1"
)

// DefaultPath is where fleet has kept its configuration since 2014. The file
// may be missing there; one that was named must exist.
const DefaultPath = "/etc/fleet/fleet.conf"

// Config is all that fleetd can be told. It never changes after Load.
type Config struct {
	Verbosity      int // above 0: debug messages
	EtcdServers    []string
	EtcdCAFile     string
	EtcdCertFile   string
	EtcdKeyFile    string
	PublicIP       string // empty: the address of the default route's interface
	Metadata       map[string]string
	AgentTTL       time.Duration
	UnitsDirectory string
	Member         bool   // this machine runs a member of the store
	APIAddress     string // HOST:PORT for other machines; an empty host stands for PublicIP
}

// An option is one key: how its value is read, and into what.
type option struct {
	name  string
	value string // the default
	set   func(c *Config, value string) error
}

var options = []option{
	{"verbosity", "0", func(c *Config, v string) (err error) { c.Verbosity, err = number(v); return err }},
	{"etcd_servers", "http://127.0.0.1:2379", func(c *Config, v string) (err error) { c.EtcdServers, err = urls(v); return err }},
	{"etcd_cafile", "", func(c *Config, v string) error { c.EtcdCAFile = v; return nil }},
	{"etcd_certfile", "", func(c *Config, v string) error { c.EtcdCertFile = v; return nil }},
	{"etcd_keyfile", "", func(c *Config, v string) error { c.EtcdKeyFile = v; return nil }},
	{"public_ip", "", func(c *Config, v string) (err error) { c.PublicIP, err = address(v); return err }},
	{"metadata", "", func(c *Config, v string) (err error) { c.Metadata, err = metadata(v); return err }},
	{"agent_ttl", "10s", func(c *Config, v string) (err error) { c.AgentTTL, err = ttl(v); return err }},
	{"units_directory", "/run/fleet/units", func(c *Config, v string) (err error) { c.UnitsDirectory, err = absolute(v); return err }},
	{"member", "true", func(c *Config, v string) (err error) { c.Member, err = yes(v); return err }},
	{"api_address", ":49153", func(c *Config, v string) (err error) { c.APIAddress, err = hostPort(v); return err }},
}

// retired are fleet 1.0's options that have nothing left to set here. They are
// read without complaint from Load, which names them as notes.
var retired = map[string]string{
	"etcd_request_timeout":      "requests have bounds of their own",
	"etcd_username":             "the machine's certificate is its identity",
	"etcd_password":             "the machine's certificate is its identity",
	"engine_reconcile_interval": "the engine acts on changes, it does not poll",
	"etcd_key_prefix":           "the data model has a prefix of its own",
	"systemd_user":              "units run under the system's manager",
	"token_limit":               "pages continue from a key",
	"enable_grpc":               "there is no such second path",
	"disable_engine":            "only members are candidates: set member",
	"disable_watches":           "watches are how everything works",
	"verify_units":              "fleet 1.0 ignored it too",
	"authorized_keys_file":      "fleet 1.0 ignored it too",
}

// Load reads the configuration. path is empty for DefaultPath; environ is
// os.Environ's form, of which FLEET_<NAME> counts; flags are name to value.
// Notes are remarks for the log, not faults.
func Load(path string, environ []string, flags map[string]string) (c Config, notes []string, err error) {
	var faults []error
	for _, o := range options {
		if err := o.set(&c, o.value); err != nil {
			return c, nil, fmt.Errorf("default of %s: %w", o.name, err)
		}
	}
	fromFile, err := readFile(path)
	if err != nil {
		faults = append(faults, err)
	}
	for _, layer := range []layer{fromFile, fromEnviron(environ), {"command line", flags}} {
		n, err := layer.apply(&c)
		notes = append(notes, n...)
		if err != nil {
			faults = append(faults, err)
		}
	}
	if given := []bool{c.EtcdCAFile != "", c.EtcdCertFile != "", c.EtcdKeyFile != ""}; slices.Contains(given, true) && slices.Contains(given, false) {
		faults = append(faults, errors.New("etcd_cafile, etcd_certfile and etcd_keyfile belong together: set all three or none"))
	}
	return c, notes, errors.Join(faults...)
}

// A layer is one place that values come from.
type layer struct {
	origin string
	values map[string]string
}

func (l layer) apply(c *Config) (notes []string, err error) {
	var faults []error
	for _, name := range sortedKeys(l.values) {
		i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
		switch why, old := retired[name]; {
		case i >= 0:
			if err := options[i].set(c, l.values[name]); err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %w", l.origin, name, err))
			}
		case old:
			notes = append(notes, fmt.Sprintf("%s: %s is no longer used: %s", l.origin, name, why))
		default:
			faults = append(faults, fmt.Errorf("%s: there is no option %q", l.origin, name))
		}
	}
	return notes, errors.Join(faults...)
}

func readFile(path string) (layer, error) {
	mayMiss := path == ""
	if mayMiss {
		path = DefaultPath
	}
	text, err := os.ReadFile(path)
	if mayMiss && errors.Is(err, fs.ErrNotExist) {
		return layer{}, nil
	}
	if err != nil {
		return layer{}, fmt.Errorf("read configuration: %w", err)
	}
	return parse(path, text)
}

// parse reads fleet's form of INI: keys of the global section, values bare or
// in quotes.
func parse(path string, text []byte) (layer, error) {
	file, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true}, text)
	if err != nil {
		return layer{}, fmt.Errorf("%s: expected lines of the form name=value: %w", path, err)
	}
	values := file.Section(ini.DefaultSection).KeysHash()
	for _, section := range file.SectionStrings() {
		if section != ini.DefaultSection {
			return layer{}, fmt.Errorf("%s: section [%s]: fleet.conf has no sections, put its lines at the top", path, section)
		}
	}
	return layer{path, values}, nil
}

func fromEnviron(environ []string) layer {
	values := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if key, ok := strings.CutPrefix(name, "FLEET_"); ok && value != "" {
			values[strings.ToLower(key)] = value
		}
	}
	return layer{"environment FLEET_*", values}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func number(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q: expected a whole number, 0 or more", v)
	}
	return n, nil
}

func yes(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q: expected true or false", v)
	}
	return b, nil
}

// minTTL is what the store's shortest lease leaves sensible: it may end up to
// an election timeout late.
const minTTL = 2 * time.Second

// ttl reads a duration; bare digits are seconds, as in fleet's own samples.
func ttl(v string) (time.Duration, error) {
	if strings.Trim(v, "0123456789") == "" {
		v += "s"
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%q: expected a duration such as 10s", v)
	}
	if d < minTTL || d > time.Hour {
		return 0, fmt.Errorf("%s: expected between %s and 1h", d, minTTL)
	}
	return d, nil
}

func urls(v string) ([]string, error) {
	var list []string
	for _, u := range strings.Split(v, ",") {
		u = strings.TrimSpace(u)
		scheme, host, ok := strings.Cut(u, "://")
		if !ok || (scheme != "http" && scheme != "https" && scheme != "unix") || host == "" {
			return nil, fmt.Errorf("%q: expected URLs such as https://10.0.0.1:2379 with commas between", u)
		}
		list = append(list, u)
	}
	return list, nil
}

func address(v string) (string, error) {
	if v != "" && net.ParseIP(v) == nil {
		return "", fmt.Errorf("%q: expected an IP address", v)
	}
	return v, nil
}

func hostPort(v string) (string, error) {
	if _, port, err := net.SplitHostPort(v); err != nil || port == "" {
		return "", fmt.Errorf("%q: expected HOST:PORT or :PORT", v)
	}
	return v, nil
}

func absolute(v string) (string, error) {
	if !strings.HasPrefix(v, "/") {
		return "", fmt.Errorf("%q: expected an absolute path", v)
	}
	return strings.TrimRight(v, "/"), nil
}

func metadata(v string) (map[string]string, error) {
	found := map[string]string{}
	for _, pair := range strings.Split(v, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%q: expected key=value pairs with commas between, such as region=eu,disk=ssd", pair)
		}
		found[key] = value
	}
	return found, nil
}
