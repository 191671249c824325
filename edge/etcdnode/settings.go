package etcdnode

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.etcd.io/etcd/pkg/v3/flags"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
)

// Defaults where neither a flag, a variable nor the file says otherwise. The rest
// are etcd's own.
const (
	// quotaBytes is the most that etcd's authors support. Their default of
	// 2 GiB is too small for a million units.
	quotaBytes = 8 << 30
	// compactionRetention keeps ten to twenty minutes of changes: a watcher that
	// was away for shorter goes on where it was, one that was longer reads
	// anew. An hour would be fuller than the quota under continuous writes
	// (5,500/s of 500 bytes is 10 GB/h); etcd's own default keeps all for ever.
	compactionRetention = "10m"
	// tlsMinVersion is what every program here speaks.
	tlsMinVersion = "TLS1.3"
)

// Settings is what a command line, the environment and a file asked for.
type Settings struct {
	Help, Version bool          // print that and stop; Etcd is nil
	Etcd          *embed.Config // checked, with the defaults above
	KeysV2        bool          // serve etcd 2's keys API too
	Guard         bool          // let in who holds the cluster's certificates alone, each to what they may do
	Discovery     Discovery     // how this member finds the others on its first start
	Warnings      []string      // what was ignored and why, a line each
}

// retired flags of older etcds are accepted and do nothing, as etcd does it.
var retired = []string{
	"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config",
	"force", "max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout",
	"retry-interval", "snapshot", "v", "v2-deprecation", "vv",
}

// Parse reads etcd's command line (without the program's name) and environment
// (NAME=value, as os.Environ gives it). A flag wins over its variable; with a
// configuration file, all others are ignored, as etcd does it. Its errors are the
// caller's mistakes and name the flag, variable or file.
func Parse(arguments, environment []string) (*Settings, error) {
	settings := &Settings{Etcd: embed.NewConfig()}
	line := newCommandLine(settings)
	if err := line.flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return &Settings{Help: true}, nil
	} else if err != nil {
		return nil, err
	}
	if line.version {
		return &Settings{Version: true}, nil
	}
	if rest := line.flags.Args(); len(rest) > 0 {
		return nil, fmt.Errorf("%q is not a flag; etcd takes no other arguments", rest[0])
	}
	given := names(line.flags)
	if err := line.readEnvironment(environment); err != nil {
		return nil, err
	}
	var err error
	if line.configFile != "" {
		settings.warnIgnored(line, given)
		settings.Discovery = Discovery{}
		settings.Etcd, err = readFile(line.configFile, &settings.Discovery)
	} else {
		err = line.finish(settings.Etcd)
	}
	if err != nil {
		return nil, err
	}
	setDefaults(settings.Etcd)
	if err := settings.Discovery.check(settings.Etcd); err != nil {
		return nil, err
	}
	if err := settings.checkGuard(); err != nil {
		return nil, err
	}
	return settings, nil
}

// WriteFlags describes every flag, one after the other.
func WriteFlags(w io.Writer) {
	newCommandLine(&Settings{Etcd: embed.NewConfig()}).flags.VisitAll(func(f *flag.Flag) {
		if slices.Contains(retired, f.Name) {
			return
		}
		fmt.Fprintf(w, "  --%s", f.Name)
		if f.DefValue != "" {
			fmt.Fprintf(w, " (default %q)", f.DefValue)
		}
		fmt.Fprintf(w, "\n      %s\n", f.Usage)
	})
}

// FlagNames are all flags, without dashes, sorted.
func FlagNames() []string {
	var all []string
	newCommandLine(&Settings{Etcd: embed.NewConfig()}).flags.VisitAll(func(f *flag.Flag) { all = append(all, f.Name) })
	return all
}

// commandLine holds the flags that embed.Config does not, and those whose values
// etcd leaves in the flag.
type commandLine struct {
	flags      *flag.FlagSet
	configFile string
	version    bool
	settings   *Settings
}

func newCommandLine(settings *Settings) *commandLine {
	line := &commandLine{
		flags:    flag.NewFlagSet("etcd", flag.ContinueOnError),
		settings: settings,
	}
	fs := line.flags
	fs.SetOutput(io.Discard) // its errors are returned
	settings.Etcd.AddFlags(fs)
	fs.StringVar(&line.configFile, "config-file", "", "Path to the server configuration file. With it, other flags and environment variables are ignored.")
	fs.Func("initial-cluster-state", "Initial cluster state: new for a new cluster, existing to join one. Ignored once this member has data.", func(state string) error {
		if state != embed.ClusterStateFlagNew && state != embed.ClusterStateFlagExisting {
			return errors.New("it is new or existing")
		}
		settings.Etcd.ClusterState = state
		return nil
	})
	fs.StringVar(&settings.Discovery.URL, "discovery", "", "URL of a discovery service's token, by which a new cluster's members find each other.")
	fs.StringVar(&settings.Discovery.Proxy, "discovery-proxy", "", "HTTP proxy on the way to the discovery service.")
	fs.Func("discovery-fallback", "What to do where the token's cluster is full: proxy to relay to its members, or exit.", settings.Discovery.setFallback)
	fs.BoolVar(&settings.KeysV2, "enable-v2", true, "Serve etcd 2's keys API (/v2/keys) on the client ports.")
	fs.BoolVar(&settings.Guard, "enable-guard", false, "Let in who holds a certificate of the cluster's alone, each to what they may do. It needs https client URLs, --cert-file, --key-file and --trusted-ca-file, and speaks TLS 1.3.")
	fs.BoolVar(&line.version, "version", false, "Print the version and exit.")
	for _, name := range retired {
		fs.Var(retiredFlag{name, settings}, name, "")
	}
	describeDefaults(fs)
	return line
}

// describeDefaults corrects what the help says where Parse has defaults of its own.
func describeDefaults(fs *flag.FlagSet) {
	fs.Lookup("quota-backend-bytes").DefValue = fmt.Sprint(quotaBytes)
	fs.Lookup("quota-backend-bytes").Usage = "Size in bytes that the store may have; at it, etcd raises an alarm and becomes read-only."
	fs.Lookup("auto-compaction-retention").DefValue = compactionRetention
	fs.Lookup("tls-min-version").DefValue = tlsMinVersion
	fs.Lookup("discovery-fallback").DefValue = FallbackProxy
}

// finish copies to config what etcd leaves in its flags, and checks all of it.
func (line *commandLine) finish(config *embed.Config) error {
	fs := line.flags
	config.ListenPeerUrls = flags.UniqueURLsFromFlag(fs, "listen-peer-urls")
	config.AdvertisePeerUrls = flags.UniqueURLsFromFlag(fs, "initial-advertise-peer-urls")
	config.ListenClientUrls = flags.UniqueURLsFromFlag(fs, "listen-client-urls")
	config.ListenClientHttpUrls = flags.UniqueURLsFromFlag(fs, "listen-client-http-urls")
	config.AdvertiseClientUrls = flags.UniqueURLsFromFlag(fs, "advertise-client-urls")
	config.ListenMetricsUrls = flags.UniqueURLsFromFlag(fs, "listen-metrics-urls")
	config.DiscoveryCfg.Endpoints = flags.UniqueStringsFromFlag(fs, "discovery-endpoints")
	config.CORS = flags.UniqueURLsMapFromFlag(fs, "cors")
	config.HostWhitelist = flags.UniqueStringsMapFromFlag(fs, "host-whitelist")
	config.ClientTLSInfo.AllowedHostnames = flags.StringsFromFlag(fs, "client-cert-allowed-hostname")
	config.PeerTLSInfo.AllowedCNs = flags.StringsFromFlag(fs, "peer-cert-allowed-cn")
	config.PeerTLSInfo.AllowedHostnames = flags.StringsFromFlag(fs, "peer-cert-allowed-hostname")
	config.CipherSuites = flags.StringsFromFlag(fs, "cipher-suites")
	config.MaxConcurrentStreams = flags.Uint32FromFlag(fs, "max-concurrent-streams")
	config.LogOutputs = flags.UniqueStringsFromFlag(fs, "log-outputs")
	rafthttp.ConnReadTimeout = max(rafthttp.ConnReadTimeout, rafthttp.DefaultConnReadTimeout)
	rafthttp.ConnWriteTimeout = max(rafthttp.ConnWriteTimeout, rafthttp.DefaultConnWriteTimeout)
	fs.Visit(func(f *flag.Flag) { config.FlagsExplicitlySet[f.Name] = true })

	// Whoever says where to listen must say what to advertise: Validate asks for it.
	if config.FlagsExplicitlySet["listen-client-urls"] && !config.FlagsExplicitlySet["advertise-client-urls"] {
		config.AdvertiseClientUrls = nil
	}
	byDiscovery := config.DNSCluster != "" || config.DNSClusterServiceName != "" || len(config.DiscoveryCfg.Endpoints) > 0
	if byDiscovery && !config.FlagsExplicitlySet["initial-cluster"] {
		config.InitialCluster = ""
	}
	err := checkLevel(config.LogLevel)
	if err == nil {
		err = setLog(config)
	}
	if err == nil {
		err = config.Validate()
	}
	if err != nil {
		return fmt.Errorf("check etcd's flags and ETCD_* variables: %w", err)
	}
	return nil
}

// setDefaults fills in what nobody asked for.
func setDefaults(config *embed.Config) {
	if config.QuotaBackendBytes == 0 {
		config.QuotaBackendBytes = quotaBytes
	}
	asked := config.FlagsExplicitlySet
	if !asked["auto-compaction-retention"] && !asked["auto-compaction-mode"] {
		config.AutoCompactionRetention = compactionRetention
	}
	if !asked["tls-min-version"] && len(config.CipherSuites) == 0 && config.TlsMaxVersion == "" {
		config.TlsMinVersion = tlsMinVersion
	}
	// Only these two errors are possible: no address of this machine's own, or
	// no route; both leave the advertised addresses as they are.
	_, _ = config.UpdateDefaultClusterFromName(embed.NewConfig().InitialCluster)
	if config.Dir == "" {
		config.Dir = config.Name + ".etcd"
	}
}

// checkGuard refuses a guard that could be walked around.
func (s *Settings) checkGuard() error {
	if !s.Guard {
		return nil
	}
	var faults []error
	for _, at := range s.Etcd.ListenClientUrls {
		if at.Scheme != "https" {
			faults = append(faults, fmt.Errorf("--listen-client-urls: %s is not https", &at))
		}
	}
	if len(s.Etcd.ListenClientHttpUrls) > 0 {
		faults = append(faults, errors.New("--listen-client-http-urls: one port has all"))
	}
	info := s.Etcd.ClientTLSInfo
	for name, value := range map[string]string{"cert-file": info.CertFile, "key-file": info.KeyFile, "trusted-ca-file": info.TrustedCAFile} {
		if value == "" {
			faults = append(faults, fmt.Errorf("--%s is missing", name))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return fmt.Errorf("check what --enable-guard needs: %w", errors.Join(faults...))
}

// names are the flags that were given, with dashes.
func names(fs *flag.FlagSet) []string {
	var given []string
	fs.Visit(func(f *flag.Flag) { given = append(given, "--"+f.Name) })
	return given
}

func (s *Settings) warnIgnored(line *commandLine, given []string) {
	ours := []string{"config-file", "enable-v2", "enable-guard"} // which no file has
	ignored := slices.DeleteFunc(slices.Clone(given), func(name string) bool { return slices.Contains(ours, name[2:]) })
	line.flags.Visit(func(f *flag.Flag) {
		if !slices.Contains(given, "--"+f.Name) && !slices.Contains(ours, f.Name) {
			ignored = append(ignored, variable(f.Name))
		}
	})
	if len(ignored) > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s is used; %s beside it are ignored", line.configFile, strings.Join(ignored, ", ")))
	}
}

// retiredFlag is one of retired.
type retiredFlag struct {
	name     string
	settings *Settings
}

func (f retiredFlag) IsBoolFlag() bool { return true }
func (f retiredFlag) String() string   { return "" }
func (f retiredFlag) Set(string) error {
	f.settings.Warnings = append(f.settings.Warnings, fmt.Sprintf("--%s is ignored: etcd has not had it for long", f.name))
	return nil
}
