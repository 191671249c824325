package fleetctl

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"argosy/cli"
)

// renamed are options of fleet's early days, with what they are called since.
var renamed = map[string]string{
	"etcd-cafile":   "ca-file",
	"etcd-certfile": "cert-file",
	"etcd-keyfile":  "key-file",
}

// legacy takes the global options of fleet 1.0 that are not of use here, so that
// scripts which give them go on working.
func (s *session) legacy(flags *pflag.FlagSet) {
	for old, now := range renamed {
		flags.Var(flags.Lookup(now).Value, old, "deprecated: use --"+now)
		_ = flags.MarkHidden(old)
	}
	flags.Bool("experimental-api", true, "deprecated: the API is no experiment")
	_ = flags.MarkHidden("experimental-api")
	ignored(flags, "etcd-key-prefix", "", "fleetd knows where its keys are")
	flags.Var(helpValue{}, "h", "the same as --help")
	flags.Lookup("h").NoOptDefVal = "true"
	_ = flags.MarkHidden("h")
}

// helpValue is the flag --h: to give it is to ask for help.
type helpValue struct{}

func (helpValue) Set(string) error { return pflag.ErrHelp }
func (helpValue) String() string   { return "false" }
func (helpValue) Type() string     { return "bool" }

// remark warns of an option, given in whatever way, that has had its day.
func (s *session) remark(option string) {
	if now, is := renamed[option]; is {
		s.warn("--%s is deprecated: use --%s", option, now)
	}
	if option == "experimental-api" {
		s.warn("--experimental-api is deprecated: the API is no experiment, leave it out")
	}
}

const unsigned = "WARNING: The signed/verified units feature is DEPRECATED and cannot be used."

// oldSign adds fleet's flag --sign to a verb, which refuses to work with it: it
// was another way to sign units, which fleet had given up.
func oldSign(verb *cobra.Command) {
	asked := false
	verb.Flags().BoolVar(&asked, "sign", false, "deprecated: 'fleetctl sign' signs units")
	_ = verb.Flags().MarkHidden("sign")
	work := verb.RunE
	verb.RunE = func(cmd *cobra.Command, args []string) error {
		if asked {
			return cli.Coded(cli.ExitUsage, fleets(unsigned))
		}
		return work(cmd, args)
	}
}

func verify() *cobra.Command {
	return &cobra.Command{
		Use:               "verify UNIT",
		Short:             "Deprecated: 'fleetctl policy' has units verified",
		Hidden:            true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(*cobra.Command, []string) error {
			return cli.Coded(cli.ExitUsage, fleets(unsigned))
		},
	}
}
