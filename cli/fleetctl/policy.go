package fleetctl

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/signing"
)

func policy(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "See and say which units may be started",
		Long: `policy prints what is asked of units before they are started: a line for each key, of
which one must have signed each of a unit's files, and images-by-digest where Quadlet files
must name their image by digest. 'policy set' takes the same text. A machine with a file
/etc/argosy/policy goes by that in the cluster's stead.`,
		Args: cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			now, err := s.Policy(cmd.Context())
			if err != nil {
				return err
			}
			if !now.Asks() {
				fmt.Fprintln(s.err, "Nothing is asked of units: they need not be signed")
			}
			_, err = io.WriteString(s.out, now.Text())
			return err
		}),
	}
	cmd.AddCommand(s.closing(policySet(s)), s.closing(policyOff(s)))
	return cmd
}

func policySet(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "set FILE",
		Short: "Have only units started that one of these keys has signed",
		Long: `set reads the policy from a file, or from standard input where that is -: lines as in
~/.ssh/id_ed25519.pub, and images-by-digest. It takes the place of what was asked before.
What runs goes on; what is not so signed is not stored any more, and not started anew.`,
		Example: "  fleetctl policy set ~/.ssh/id_ed25519.pub\n  fleetctl policy > policy; nano policy; fleetctl policy set policy",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Coded(cli.ExitUsage, fmt.Errorf("one file is expected, %d were given\nsee '%s --help'", len(args), cmd.CommandPath()))
			}
			return nil
		},
		RunE: run(func(cmd *cobra.Command, args []string) error {
			text, err := readPolicy(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			next, err := signing.ParsePolicy(args[0], text)
			if err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			return s.setPolicy(cmd, api.PolicyChange{Keys: next.Keys, Digests: next.Digests})
		}),
	}
}

func policyOff(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "off",
		Short: "Ask nothing of units",
		Args:  nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			return s.setPolicy(cmd, api.PolicyChange{})
		}),
	}
}

func (s *session) setPolicy(cmd *cobra.Command, change api.PolicyChange) error {
	written, err := s.SetPolicy(cmd.Context(), change)
	if err != nil {
		return err
	}
	asked := "nothing is asked of units"
	switch {
	case len(change.Keys) == 1:
		asked = "units must be signed by " + change.Keys[0].Called()
	case len(change.Keys) > 1:
		asked = fmt.Sprintf("units must be signed by one of %d keys", len(change.Keys))
	case change.Digests:
		asked = "units need not be signed"
	}
	if change.Digests {
		asked += "; images must be named by digest"
	}
	said := "set"
	if !written.Changed {
		said = "was so already"
	}
	fmt.Fprintf(s.out, "Policy %s: %s\n", said, asked)
	return nil
}

// readPolicy reads no more than a little over what is allowed.
func readPolicy(in io.Reader, file string) (string, error) {
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read the policy: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, signing.MaxTextBytes+1))
	if err != nil {
		return "", fmt.Errorf("read the policy: %w", err)
	}
	return string(text), nil
}
