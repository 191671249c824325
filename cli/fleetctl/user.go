package fleetctl

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/core/api"
)

// ofArgosy makes a command that asks the API one of argosy's own.
func ofArgosy(s *session, cmd *cobra.Command) *cobra.Command {
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return s.open(cmd) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("%w\nsee '%s --help'", err, cmd.CommandPath()))
	})
	s.reach(cmd.PersistentFlags())
	return cmd
}

// User is the command `argosy user`.
func User() *cobra.Command {
	s := &session{}
	cmd := ofArgosy(s, &cobra.Command{
		Use:   "user",
		Short: "The people who may use the cluster, and what each may do",
		Long: `A person has a role: a viewer looks, an operator also changes units, an admin may do
everything. An operator may be limited to units whose names match patterns. Who is who
stands in a certificate that 'fleetctl login' gets; what they may do stands in the
cluster, and a change of it counts at once.

These commands take an admin: root and whoever else reaches the socket on a member, or a
person of that role from anywhere.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	})
	for _, verb := range []*cobra.Command{userAdd(s), userList(s), userRole(s), userToken(s), userRevoke(s), userRemove(s)} {
		cmd.AddCommand(s.closing(verb))
	}
	return cmd
}

// people asks for so many names, of a person first.
func people(what string, count int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != count {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("%s is expected, %d words were given\nsee '%s --help'", what, len(args), cmd.CommandPath()))
		}
		return usage(access.CheckPersonName(args[0]))
	}
}

func unitsFlag(cmd *cobra.Command, units *[]string) {
	cmd.Flags().StringSliceVar(units, "units", nil, "for an operator: patterns of the units that they may change, with commas; without, all")
}

func lifeFlag(cmd *cobra.Command, life *time.Duration) {
	cmd.Flags().DurationVar(life, "ttl", time.Hour, "for how long the token is good")
}

func userAdd(s *session) *cobra.Command {
	var role string
	var units []string
	var life time.Duration
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a person, and print the line by which they log in",
		Long: `add makes an account, and a token that is good for one login. Pass the printed line on
to the person by a way that others do not read: whoever uses it first is them.`,
		Example: "  argosy user add otto --role operator --units 'web*'",
		Args:    people("one name", 1),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			change, err := personChange(role, units)
			if err != nil {
				return err
			}
			change.New = true
			if _, err := s.SetPerson(cmd.Context(), args[0], change); err != nil {
				return err
			}
			fmt.Fprintf(s.err, "%s is now %s.\n", args[0], roleWords(change.Role, change.Units))
			return s.invite(cmd, args[0], life)
		}),
	}
	cmd.Flags().StringVar(&role, "role", string(access.Viewer), "what they may do: viewer, operator or admin")
	unitsFlag(cmd, &units)
	lifeFlag(cmd, &life)
	offer(cmd, "role", words("viewer", "operator", "admin"))
	return cmd
}

func personChange(role string, units []string) (api.PersonChange, error) {
	parsed, err := access.ParseRole(role)
	return api.PersonChange{Role: parsed, Units: units}, usage(err)
}

func roleWords(role access.Role, units []string) string {
	if len(units) > 0 {
		return fmt.Sprintf("%s of units called %s", role, strings.Join(units, ", "))
	}
	return string(role)
}

// invite prints how a person logs in.
func (s *session) invite(cmd *cobra.Command, name string, life time.Duration) error {
	if life < time.Second {
		return usage(fmt.Errorf("--ttl is %s: expected 1s or more", life))
	}
	invitation, err := s.Invite(cmd.Context(), name, life)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "This logs them in, once, until %s:\n", invitation.Expires.UTC().Format(time.RFC3339))
	_, err = fmt.Fprintln(s.out, invitation.Line())
	return err
}

func userToken(s *session) *cobra.Command {
	var life time.Duration
	cmd := &cobra.Command{
		Use: "token NAME", Short: "Print another line by which a person logs in",
		Long: "token is for another device of a person, or for one whose certificates were revoked or have ended.",
		Args: people("one name", 1),
		RunE: run(func(cmd *cobra.Command, args []string) error { return s.invite(cmd, args[0], life) }),
	}
	lifeFlag(cmd, &life)
	return cmd
}

func userRole(s *session) *cobra.Command {
	var units []string
	cmd := &cobra.Command{
		Use: "role NAME ROLE", Short: "Change what a person may do",
		Example: "  argosy user role otto operator --units 'web*,db@*.service'",
		Args:    people("a name and a role", 2),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			change, err := personChange(args[1], units)
			if err != nil {
				return err
			}
			written, err := s.SetPerson(cmd.Context(), args[0], change)
			if err != nil {
				return err
			}
			was := "is now"
			if !written.Changed {
				was = "was already"
			}
			_, err = fmt.Fprintf(s.out, "%s %s %s\n", args[0], was, roleWords(change.Role, change.Units))
			return err
		}),
	}
	unitsFlag(cmd, &units)
	return cmd
}

func userRevoke(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Have all certificates refused that a person has",
		Long: `revoke is for a key that was lost or stolen. What is open with such a certificate is ended
within seconds. The account stays: 'argosy user token' lets the person in again.`,
		Args: people("one name", 1),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if _, err := s.RevokePerson(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(s.out, "%s is out: no certificate or token that they have is taken any more\n", args[0])
			return err
		}),
	}
}

func userRemove(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "End a person's account and certificates",
		Args: people("one name", 1),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if _, err := s.RemovePerson(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(s.out, "%s is removed\n", args[0])
			return err
		}),
	}
}

var personColumns = []column[api.Person]{
	{"name", func(p api.Person, _ bool) string { return p.Name }},
	{"role", func(p api.Person, _ bool) string { return string(p.Role) }},
	{"units", func(p api.Person, _ bool) string {
		if p.Role == access.Operator && len(p.Units) == 0 {
			return "all"
		}
		return dash(strings.Join(p.Units, ","))
	}},
	{"since", func(p api.Person, _ bool) string { return p.At.Local().Format(time.DateTime) }},
	{"by", func(p api.Person, _ bool) string { return dash(p.By) }},
	{"revoked", func(p api.Person, _ bool) string {
		if p.Revoked.IsZero() {
			return "-"
		}
		return p.Revoked.Local().Format(time.DateTime)
	}},
}

func userList(s *session) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list", Short: "List the people and what they may do", Args: nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			answer, err := s.People(cmd.Context())
			if err != nil {
				return err
			}
			return show(s.out, l, personColumns, answer.People, answer)
		}),
	}
	l.flags(cmd, "name,role,units,since,by", "name,role,units,since,by,revoked", named(personColumns))
	return cmd
}
