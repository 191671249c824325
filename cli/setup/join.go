package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/host"
	"argosy/edge/join"
	"argosy/edge/systemd"
)

// joinFlags are what a user says.
type joinFlags struct {
	token, tokenFile, pin string
	name, address         string
	member                bool
}

func joinCommand() *cobra.Command {
	var given joinFlags
	command := &cobra.Command{
		Use:   "join HOST[:PORT]",
		Short: "Make this machine one of a cluster",
		Long: `join asks a member for this machine's certificates, with a token that "argosy init" or
"argosy token create" printed on one. The cluster is known by the hash of its
authority, so that nobody in between can answer for it. Nothing is written before all
is verified; then the services are started and the machine is waited for until the
cluster lists it. A join that was interrupted goes on when it is called again.

While join runs, its arguments can be seen by everybody on this machine: give the
token in a file (--token-file, - for standard input) or in the variable ` + cli.TokenVariable + `
where others are logged in.`,
		Args: usage(cobra.ExactArgs(1)),
	}
	flags := command.Flags()
	flags.StringVar(&given.token, "token", "", "the token")
	flags.StringVar(&given.tokenFile, "token-file", "", "a file with the token; - for standard input")
	flags.StringVar(&given.pin, "ca-hash", "", "the hash of the cluster's authority, as in sha256:...")
	flags.BoolVar(&given.member, "member", false, "become a member of the store too")
	flags.StringVar(&given.name, "name", "", "this machine's name (default: its host name)")
	flags.StringVar(&given.address, "address", "", "the address that others know it by (default: that of the default route's interface)")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		at := arguments[0]
		if _, _, err := net.SplitHostPort(at); err != nil {
			at = net.JoinHostPort(strings.Trim(at, "[]"), join.Port)
		}
		return runJoin(command.Context(), at, given, command.InOrStdin(), command.OutOrStdout(), command.ErrOrStderr())
	}
	return command
}

func runJoin(ctx context.Context, at string, given joinFlags, in io.Reader, out, progress io.Writer) error {
	facts, err := thisMachine(ctx, given.name, given.address, services(given.member)...)
	if err != nil {
		return err
	}
	j, found, err := begun("join")
	switch {
	case err != nil:
		return err
	case found && len(authority.DefaultFolder.Names()) == 0:
		found = false // interrupted before there was a certificate
		if err := arrived(); err != nil {
			return err
		}
	}
	if !found {
		if err := strange(); err != nil {
			return err
		}
		fmt.Fprintf(progress, "certificates from %s ...\n", at)
		if j, err = enter(ctx, at, given, facts, in); err != nil {
			return err
		}
	}
	return settle(ctx, j, out, progress)
}

// enter gets this machine's certificates and puts them where they belong.
func enter(ctx context.Context, at string, given joinFlags, facts host.Facts, in io.Reader) (journey, error) {
	token, err := cli.Token(given.token, given.tokenFile, in)
	if err != nil {
		return journey{}, cli.Coded(cli.ExitUsage, err)
	}
	if err := authority.CheckPin(given.pin); err != nil {
		return journey{}, cli.Coded(cli.ExitUsage, fmt.Errorf("--ca-hash: %w", err))
	}
	wish := access.Wish{Token: token, Kind: access.Worker, Name: string(facts.ID), Host: facts.Name, Addresses: []string{facts.Address}}
	if given.member {
		wish.Kind = access.Member
	}
	keys, err := authority.NewKeys(&wish)
	if err != nil {
		return journey{}, err
	}
	hostAsked, _, _ := net.SplitHostPort(at)
	answer, err := join.Ask(ctx, at, authority.Pinned(given.pin, hostAsked), wish)
	if err != nil {
		return journey{}, err
	}
	if err := authority.Verify(wish, answer, given.pin); err != nil {
		return journey{}, fmt.Errorf("what %s answered: %w; nothing was changed here", at, err)
	}
	j := journey{Verb: "join", Name: facts.Name, Address: facts.Address, Member: given.member, Members: answer.Members}
	if answer.Membership != nil {
		j.Initial, j.LearnerID = answer.Membership.InitialCluster, answer.Membership.ID
	}
	if err := j.save(); err != nil {
		return j, err
	}
	return j, place(keys, answer)
}

// place has the machine's folder appear as a whole.
func place(keys access.Papers, answer access.Answer) error {
	folder := authority.DefaultFolder
	next, err := os.MkdirTemp(filepath.Dir(string(folder)), ".pki.*")
	if err != nil {
		return err
	}
	err = authority.Folder(next).Place(keys, answer)
	if err == nil {
		err = os.Rename(next, string(folder))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("put the certificates into %s: %w", folder, err), os.RemoveAll(next))
	}
	return nil
}

// settle starts what a machine with certificates runs, and waits for the cluster.
func settle(ctx context.Context, j journey, out, progress io.Writer) error {
	if err := j.write(); err != nil {
		return err
	}
	fmt.Fprintln(progress, "services ...")
	if j.Member {
		if err := (systemd.Services{}).Start(ctx, "etcd.service"); err != nil {
			return err
		}
		fmt.Fprintln(progress, "the store's other members ...")
		if err := promote(ctx, j); err != nil {
			return err
		}
	}
	if err := (systemd.Services{}).Start(ctx, services(j.Member)...); err != nil {
		return err
	}
	if err := ready(ctx); err != nil {
		return err
	}
	if err := arrived(); err != nil {
		return err
	}
	as := "worker"
	if j.Member {
		as = "member"
	}
	_, err := fmt.Fprintf(out, "%s (%s) has joined the cluster as a %s.\n", j.Name, j.Address, as)
	return err
}

// promote has the new member of the store count as one, as soon as it knows what
// the others know.
func promote(ctx context.Context, j journey) error {
	s, err := openStore(j.Members...)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return until(ctx, "wait for this machine's store to know what the others know", func(ctx context.Context) error {
		return s.PromoteMember(ctx, j.LearnerID)
	})
}
