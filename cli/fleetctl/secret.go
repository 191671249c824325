package fleetctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

func secret(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Keep what units are given and nobody else is to read",
		Long: `A secret is a value that units ask for by name, with Secret=NAME in [X-Fleet], and that
their processes find in the file $CREDENTIALS_DIRECTORY/NAME. It is sealed in the store;
no command prints it.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	for _, verb := range []*cobra.Command{secretSet(s), secretLimit(s), secretList(s), secretRemove(s)} {
		cmd.AddCommand(s.closing(verb))
	}
	return cmd
}

// secretFlags are those of secret set.
type secretFlags struct {
	file    string
	from    int64
	restart bool
	waiting
}

func secretSet(s *session) *cobra.Command {
	var f secretFlags
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Make a new version of a secret, of what comes on standard input",
		Long: `set reads a value of at most 64 KiB and makes it the version of the secret that units
are given when they start. It is taken byte for byte, with a line break at its end. A value
that the secret has already makes no new version.

Units that run keep what they were given until they start anew. With --restart those that
have not got this version yet are restarted one after another, each when the one before
runs again, as by 'fleetctl restart'; where one does not come up well the rest is left
alone, and named. The version before is then a word away: set NAME --from VERSION.

It is this command that restarts them. Where it was ended or stopped, the same one goes on:
it begins with what does not run well with this version, and leaves alone what does.`,
		Example: "  fleetctl secret set db-password < password.txt\n  fleetctl secret set db-password --from 3 --restart",
		Args:    oneSecret,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.setSecret(cmd, args[0], f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "-", "where the value is; - for standard input")
	flags.Int64Var(&f.from, "from", 0, "take the value of an earlier version that 'secret list' names")
	flags.BoolVar(&f.restart, "restart", false, "restart the units that use it, one after another")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "with --restart, how long to wait for each; 0 for ever")
	f.wait = true
	cmd.ValidArgsFunction = s.secretWords
	return cmd
}

// oneSecret asks for one name.
func oneSecret(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("one secret is expected, %d were given; its value comes on standard input\nsee '%s --help'", len(args), cmd.CommandPath()))
	}
	_, err := cluster.ParseSecretName(args[0])
	return usage(err)
}

// someSecrets asks for names.
func someSecrets(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("a secret is expected\nsee '%s --help'", cmd.CommandPath()))
	}
	for _, arg := range args {
		if _, err := cluster.ParseSecretName(arg); err != nil {
			return usage(err)
		}
	}
	return nil
}

func usage(err error) error {
	if err == nil {
		return nil
	}
	return cli.Coded(cli.ExitUsage, err)
}

func (s *session) setSecret(cmd *cobra.Command, word string, f secretFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.from != 0 && cmd.Flags().Changed("file") {
		return cli.Coded(cli.ExitUsage, errors.New("--file and --from are two values: give one of them"))
	}
	change := api.SecretChange{From: f.from}
	if f.from == 0 {
		var err error
		if change.Value, err = s.readSecret(cmd.InOrStdin(), f.file); err != nil {
			return err
		}
	}
	if err := change.Valid(); err != nil {
		return cli.Coded(cli.ExitUsage, explain(err))
	}
	written, err := s.SetSecret(cmd.Context(), cluster.SecretName(word), change)
	if err != nil {
		return err
	}
	said := "set"
	if !written.Changed {
		said = "was so already"
	}
	fmt.Fprintf(s.out, "Secret %s %s: version %d\n", written.Name, said, written.Version)
	return s.spread(cmd.Context(), written, f)
}

// readSecret reads a value, and no more than a little over what is allowed.
func (s *session) readSecret(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the value: %w", err)
		}
		defer opened.Close()
		in = opened
	} else if onTerminal(in) {
		return nil, cli.Coded(cli.ExitUsage, errors.New("the value would be seen as it is typed: give it as in 'fleetctl secret set NAME < FILE', or with --file"))
	}
	value, err := io.ReadAll(io.LimitReader(in, cluster.MaxSecretBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	if n := bytes.IndexByte(value, '\n'); n >= 0 && n == len(value)-1 {
		s.warn("the value ends in a line break, which is part of it; printf prints none where echo does")
	}
	return value, nil
}

// several names some of many.
func several(names []string) string {
	const most = 10
	said := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		said += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return said
}

func secretLimit(s *session) *cobra.Command {
	var reset bool
	cmd := &cobra.Command{
		Use:   "limit NAME PATTERN...",
		Short: "Say which units may ask for a secret",
		Long: `limit has a secret be for units whose names one of the patterns means, such as
'db@*.service', and for no other. --any takes that back. Without it any unit may ask that
somebody may start.`,
		Args: aSecretAndWords,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			patterns := args[1:]
			if reset != (len(patterns) == 0) {
				return cli.Coded(cli.ExitUsage, errors.New("expected patterns of units, or --any"))
			}
			change := api.SecretChange{Units: &patterns}
			if err := change.Valid(); err != nil {
				return cli.Coded(cli.ExitUsage, explain(err))
			}
			written, err := s.SetSecret(cmd.Context(), cluster.SecretName(args[0]), change)
			if err == nil {
				fmt.Fprintf(s.out, "Secret %s is for %s\n", written.Name, forUnits(patterns))
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&reset, "any", false, "any unit may ask for it")
	cmd.ValidArgsFunction = s.secretWords
	return cmd
}

// aSecretAndWords asks for a name, with words behind it.
func aSecretAndWords(cmd *cobra.Command, args []string) error {
	return someSecrets(cmd, args[:min(1, len(args))])
}

func forUnits(patterns []string) string {
	if len(patterns) == 0 {
		return "any unit"
	}
	return "units called " + strings.Join(patterns, ", ")
}

const (
	secretFields     = "name,version,set,by,units"
	secretFieldsWide = "name,version,set,by,kept,keys,limit,units"
)

var secretColumns = []column[api.Secret]{
	{"name", func(r api.Secret, _ bool) string { return string(r.Name) }},
	{"version", func(r api.Secret, _ bool) string { return strconv.FormatInt(r.Version, 10) }},
	{"set", func(r api.Secret, _ bool) string { return r.At.Local().Format(time.DateTime) }},
	{"by", func(r api.Secret, _ bool) string { return dash(r.By) }},
	{"kept", func(r api.Secret, _ bool) string { return strings.Trim(fmt.Sprint(r.Kept), "[]") }},
	{"keys", func(r api.Secret, _ bool) string { return strings.Join(r.Keys, ",") }},
	{"limit", func(r api.Secret, _ bool) string { return dash(strings.Join(r.Units, ",")) }},
	{"units", secretUnits},
}

// secretUnits are those that use a secret, with the version that each was given: a
// unit on several machines is told once for each version.
func secretUnits(r api.Secret, full bool) string {
	var all []string
	for _, use := range r.Used {
		said := fmt.Sprintf("%s=%d", use.Unit, use.Version)
		if use.Version == 0 {
			said = string(use.Unit)
		}
		if !slices.Contains(all, said) {
			all = append(all, said)
		}
	}
	if full {
		return dash(strings.Join(all, ", "))
	}
	return dash(several(all))
}

func secretList(s *session) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the secrets, without their values, and the units that use them",
		Long: `list prints each secret with the version that units are given which start now, and behind
each unit that asks for it the version that it was given when it was last started.`,
		Args: nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			answer, err := s.Secrets(cmd.Context())
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			return show(s.out, l, secretColumns, answer.Secrets, answer)
		}),
	}
	l.flags(cmd, secretFields, secretFieldsWide, named(secretColumns))
	return cmd
}

func secretRemove(s *session) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "End secrets, with all their versions",
		Long: `rm refuses a secret that units use. With --force it ends that as well: what runs keeps its
value until it would start anew, and is not started then.`,
		Args: someSecrets,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			code := cli.ExitOK
			for _, arg := range args {
				written, err := s.RemoveSecret(cmd.Context(), cluster.SecretName(arg), force)
				if err != nil {
					code = max(code, s.tell(err))
					continue
				}
				fmt.Fprintf(s.out, "Secret %s removed\n", written.Name)
			}
			if code != cli.ExitOK {
				return ending(code)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also where units use it")
	cmd.ValidArgsFunction = s.secretWords
	return cmd
}

// secretWords offers the secrets that there are.
func (s *session) secretWords(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []cobra.Completion
	if len(args) > 0 && cmd.Name() != "rm" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s.silently(cmd, func(ctx context.Context) error {
		answer, err := s.Secrets(ctx)
		for _, one := range answer.Secrets {
			if name := string(one.Name); strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
				words = append(words, cobra.CompletionWithDesc(name, fmt.Sprintf("version %d", one.Version)))
			}
		}
		return err
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}
