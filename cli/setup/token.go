package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/fleetconf"
	"argosy/edge/host"
	"argosy/edge/store"
)

func tokenCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "Tokens by which machines join",
		Long: `A token is the right to join, for some time and for so many machines. The store keeps
a hash of its secret alone, so that it is shown once, when it is made. These commands
run on a member, as root.`,
	}
	command.AddCommand(tokenCreate(), tokenList(), tokenDelete())
	return command
}

func tokenCreate() *cobra.Command {
	var kind string
	var uses int
	var life time.Duration
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token, and print the line that uses it",
		Args:  usage(cobra.NoArgs),
	}
	command.Flags().StringVar(&kind, "kind", string(access.Worker), "what the machines become: worker or member")
	command.Flags().IntVar(&uses, "uses", 1, "for how many machines it is good")
	command.Flags().DurationVar(&life, "ttl", tokenLife, "for how long it is good")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if access.Kind(kind) != access.Worker && access.Kind(kind) != access.Member {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("--kind %s: expected worker or member", kind))
		}
		if uses < 1 || life < time.Second || life > maxTokenLife {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("--uses %d --ttl %s: expected 1 use or more, and 1s to %s", uses, life, maxTokenLife))
		}
		address, err := memberAddress()
		if err != nil {
			return err
		}
		line, err := invite(command.Context(), address, access.Token{Kind: access.Kind(kind), Uses: uses}, life)
		if err == nil {
			_, err = fmt.Fprintln(command.OutOrStdout(), line)
		}
		return err
	}
	return command
}

// maxTokenLife keeps a token that somebody has forgotten from being a way in for ever.
const maxTokenLife = 30 * 24 * time.Hour

func tokenList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Args:  usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			return onMember(func(s *store.Store) error {
				tokens, err := s.Tokens(command.Context())
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "TOKEN\tKIND\tUSES LEFT\tEXPIRES\tBY")
				for _, t := range tokens {
					fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", t.ID, strings.TrimSpace(string(t.Kind)+" "+t.Name), t.Uses, t.Expires.UTC().Format(time.RFC3339), t.By)
				}
				return table.Flush()
			})
		},
	}
}

func tokenDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete TOKEN",
		Short: "End a token; its id is enough",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, arguments []string) error {
			id, _, _ := strings.Cut(arguments[0], ".")
			return onMember(func(s *store.Store) error {
				err := s.DeleteToken(command.Context(), id, ruled("end token "+id))
				if errors.Is(err, cluster.ErrNotFound) {
					return cli.Coded(cli.ExitNotFound, err)
				}
				return err
			})
		},
	}
}

// newToken stores a new token and returns its secret.
func newToken(ctx context.Context, member string, token access.Token, life time.Duration) (string, access.Token, error) {
	secret := rand.Text()
	token.ID, token.Hash = strings.ToLower(rand.Text()[:10]), access.HashSecret(secret)
	token.At = time.Now()
	token.Expires, token.By = token.At.Add(life), whoami()
	s, err := openStore(member)
	if err != nil {
		return "", token, err
	}
	defer func() { _ = s.Close() }()
	return secret, token, s.PutToken(ctx, token, ruled("make token "+token.ID+" for a "+string(token.Kind)))
}

// whoami is who calls, as this machine knows it.
func whoami() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	on, _ := os.Hostname()
	return name + " on " + on
}

// ruled is an entry of the audit: what was done here, as root.
func ruled(did string) access.Entry {
	return access.Entry{At: time.Now(), By: whoami(), Role: access.Admin, Verb: access.Govern, Did: did, Outcome: access.Done}
}

// onMember reaches the store from a member.
func onMember(do func(*store.Store) error) error {
	address, err := memberAddress()
	if err != nil {
		return err
	}
	s, err := openStore(clientURL(address))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return do(s)
}

// memberAddress is this machine's, which must be a member.
func memberAddress() (string, error) {
	config, _, err := fleetconf.Load("", os.Environ(), nil)
	if err != nil {
		return "", err
	}
	if !config.Member || !config.HasTLS() {
		return "", errors.New("this machine is no member: do this on one (fleetctl list-machines shows them)")
	}
	if config.PublicIP != "" {
		return config.PublicIP, nil
	}
	facts, err := host.Read()
	return facts.Address, err
}
