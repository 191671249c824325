package fleetconf

import "slices"

// An option is one key of fleet.conf: how its value is read, and into what.
// This table is what Load accepts and what the manual fleet.conf(5) is made of.
type option struct {
	name    string
	initial string // the default
	live    bool   // a reload changes it; else it waits for a restart
	secret  bool   // never shown
	// about is for the manual: what it does. Where set is nil it is an option of
	// fleet 1.0 that does nothing here, and about says what to do instead.
	about string
	set   func(c *Config, value string) error
}

// options stand in the order of fleet's own sample file; ours come last.
var options = []option{
	{
		name: "verbosity", initial: "0", live: true,
		about: "0 logs what matters; any number above it adds debug messages.",
		set:   func(c *Config, v string) (err error) { c.Verbosity, err = number(v, 0, 1<<30); return err },
	},
	{
		name: "etcd_servers", initial: "http://127.0.0.1:2379",
		about: "URLs of the store's client ports, with commas between; brackets and quotes as in fleet's sample may stay. " +
			"fleet's second default, port 4001, was that of etcd 0.4 and is gone.",
		set: func(c *Config, v string) (err error) { c.EtcdServers, err = urls(v); return err },
	},
	{
		name: "etcd_request_timeout", initial: "3",
		about: "How long one try of one request to the store may take, in seconds or with a unit (500ms). " +
			"fleet's default was 1; 3 outlasts the election of a leader among the store's members.",
		set: func(c *Config, v string) (err error) {
			c.RequestTimeout, err = duration(v, minTimeout, maxTimeout)
			return err
		},
	},
	{
		name: "etcd_cafile", about: "Certificates of the authority that the store and all machines are known by, in PEM.",
		set: func(c *Config, v string) error { c.EtcdCAFile = v; return nil },
	},
	{
		name: "etcd_keyfile", about: "The key of etcd_certfile, in PEM. Others than its owner and group must not be able to read it.",
		set: func(c *Config, v string) error { c.EtcdKeyFile = v; return nil },
	},
	{
		name:  "etcd_certfile",
		about: "This machine's certificate, in PEM: it is shown to the store and to other machines. Without one the API is served on the unix socket alone.",
		set:   func(c *Config, v string) error { c.EtcdCertFile = v; return nil },
	},
	{
		name: "etcd_username", about: "The user of the store that fleetd is, where the store asks for a password.",
		set: func(c *Config, v string) error { c.EtcdUsername = v; return nil },
	},
	{
		name: "etcd_password", secret: true, about: "That user's password. It is never shown; keep the file readable by root alone. With a password fleetd starts only while the store answers.",
		set: func(c *Config, v string) error { c.EtcdPassword = v; return nil },
	},
	{
		name: "public_ip", about: "The address that others know this machine by. Default: the first IPv4 address of the default route's interface.",
		set: func(c *Config, v string) (err error) { c.PublicIP, err = address(v); return err },
	},
	{
		name: "metadata", live: true,
		about: "key=value pairs with commas between, which units ask for with MachineMetadata=, such as region=eu,disk=ssd.",
		set:   func(c *Config, v string) (err error) { c.Metadata, err = metadata(v); return err },
	},
	{
		name: "agent_ttl", initial: "10s", live: true,
		about: "How long the machine counts as there after its last sign of life, in seconds or with a unit. After that its units run elsewhere. fleet's default was 30s.",
		set:   func(c *Config, v string) (err error) { c.AgentTTL, err = duration(v, minTTL, maxTTL); return err },
	},
	{
		name:  "engine_reconcile_interval",
		about: "the engine acts on each change at once and does not poll; remove the line",
	},
	{
		name:  "etcd_key_prefix",
		about: "all facts are below /argosy/v1/; give each cluster an etcd of its own and remove the line",
	},
	{
		name: "units_directory", initial: "/run/fleet/units",
		about: "Where the texts of this machine's units are kept, on a file system that a reboot empties.",
		set:   func(c *Config, v string) (err error) { c.UnitsDirectory, err = absolute(v); return err },
	},
	{
		name: "systemd_user", initial: "false",
		about: "Refused when true: units run under the system's manager, as User= in each unit says.",
		set:   func(_ *Config, v string) error { return noUserManager(v) },
	},
	{
		name: "token_limit", initial: "100", live: true,
		about: "Rows of one page of the API /fleet/v1.",
		set:   func(c *Config, v string) (err error) { c.TokenLimit, err = number(v, 1, 10000); return err },
	},
	{
		name: "disable_engine", initial: "false",
		about: "true: this member never decides where units run. At least one member must.",
		set:   func(c *Config, v string) (err error) { c.DisableEngine, err = yes(v); return err },
	},
	{
		name:  "disable_watches",
		about: "changes arrive by watches and by nothing else; remove the line",
	},
	{
		name:  "enable_grpc",
		about: "machines have one way to speak to each other, HTTPS at api_address; remove the line",
	},
	{
		name:  "verify_units",
		about: "fleet 1.0 ignored it too; who may write is settled by certificates; remove the line",
	},
	{
		name:  "authorized_keys_file",
		about: "fleet 1.0 ignored it too; who may log in is settled by sshd; remove the line",
	},
	{
		name: "member", initial: "true",
		about: "Whether this machine runs a member of the store: members decide where units run, others pass requests on to them.",
		set:   func(c *Config, v string) (err error) { c.Member, err = yes(v); return err },
	},
	{
		name: "api_address", initial: ":49153",
		about: "HOST:PORT of this machine's API for other machines; without a host, that of public_ip. All machines of a cluster use one port.",
		set:   func(c *Config, v string) (err error) { c.APIAddress, err = hostPort(v); return err },
	},
	{
		name: "join_address", initial: ":49154",
		about: "HOST:PORT where a member lets machines and people join; without a host, that of public_ip. All machines of a cluster use one port.",
		set:   func(c *Config, v string) (err error) { c.JoinAddress, err = hostPort(v); return err },
	},
	{
		name: "insecure", initial: "false",
		about: "true: a store that asks nobody who they are stays so, and this machine says it at each start. For tests; members alone heed it.",
		set:   func(c *Config, v string) (err error) { c.Insecure, err = yes(v); return err },
	},
	{
		name: "capacity", live: true,
		about: "What the machine has to give to units that Reserve=, as kind=amount with commas or blanks between, such as gpu=2. " +
			"cpu (whole processors) and memory (bytes, or with K, M, G or T) stand in place of what is read from the machine.",
		set: func(c *Config, v string) (err error) { c.Capacity, err = capacity(v); return err },
	},
}

func find(name string) (option, bool) {
	i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
	if i < 0 {
		return option{}, false
	}
	return options[i], true
}

// Names are the options that do something, in the order of the manual.
func Names() []string {
	var names []string
	for _, o := range options {
		if o.set != nil {
			names = append(names, o.name)
		}
	}
	return names
}

// Documented is an option as the manual describes it.
type Documented struct {
	Name    string
	Default string
	About   string // what it does; for one that does nothing, what to do instead
	Live    bool   // a reload changes it
	Nothing bool   // fleet 1.0's, and without meaning here
}

// Document lists all options in the order of the manual.
func Document() []Documented {
	var all []Documented
	for _, o := range options {
		all = append(all, Documented{o.name, o.initial, o.about, o.live, o.set == nil})
	}
	return all
}
