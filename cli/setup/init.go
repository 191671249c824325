package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/host"
	"argosy/edge/join"
	"argosy/edge/sealing"
	"argosy/edge/systemd"
)

func initCommand() *cobra.Command {
	var name, address string
	command := &cobra.Command{
		Use:   "init",
		Short: "Make this machine the first of a cluster",
		Long: `init makes the cluster's two authorities and this machine's certificates, writes
/etc/etcd/etcd.env, /etc/argosy/endpoint.env and /etc/fleet/fleet.conf where they
are missing, starts the services and waits until they answer. Then it prints the
lines by which other machines join.

A machine on which anything of a cluster is left is refused and not changed. An init
that was interrupted goes on when it is called again.`,
		Args: usage(cobra.NoArgs),
	}
	command.Flags().StringVar(&name, "name", "", "this machine's name in the store (default: its host name)")
	command.Flags().StringVar(&address, "address", "", "the address that others know it by (default: that of the default route's interface)")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return runInit(command.Context(), name, address, command.OutOrStdout(), command.ErrOrStderr())
	}
	return command
}

func runInit(ctx context.Context, name, address string, out, progress io.Writer) error {
	facts, err := thisMachine(ctx, name, address, services(true)...)
	if err != nil {
		return err
	}
	j, found, err := begun("init")
	switch {
	case err != nil:
		return err
	case !found:
		if err := strange(); err != nil {
			return err
		}
		j = journey{Verb: "init", Name: facts.Name, Address: facts.Address, Member: true, Initial: facts.Name + "=" + peerURL(facts.Address)}
		if err := j.save(); err != nil {
			return err
		}
	}
	fmt.Fprintln(progress, "authorities and certificates ...")
	if err := foundCluster(facts, j); err != nil {
		return err
	}
	if err := j.write(); err != nil {
		return err
	}
	fmt.Fprintln(progress, "services ...")
	if err := (systemd.Services{}).Start(ctx, services(true)...); err != nil {
		return err
	}
	if err := ready(ctx); err != nil {
		return err
	}
	if err := arrived(); err != nil {
		return err
	}
	return welcome(ctx, j, out)
}

// foundCluster makes the authorities, the key of secrets and this machine's
// certificates, as far as they are missing.
func foundCluster(facts host.Facts, j journey) error {
	folder := authority.DefaultFolder
	if err := folder.Found(); err != nil {
		return err
	}
	if err := sealing.File(sealing.DefaultFile).Create(); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	hosts := access.Wish{Kind: access.Member, Host: j.Name, Addresses: []string{j.Address}}.Hosts()
	for name, grant := range map[string]access.Grant{
		authority.MachineName: {Who: access.Identity{Kind: access.Member, Name: string(facts.ID)}, Hosts: hosts},
		authority.PeerName:    {Who: access.Identity{Kind: access.Member, Name: string(facts.ID)}, Hosts: hosts},
		authority.LocalName:   {Who: access.Identity{Kind: access.Local, Name: string(facts.ID)}},
	} {
		grant.Life = access.MachineLife
		if err := folder.Grant(name, grant); err != nil {
			return err
		}
	}
	return nil
}

// Tokens that init makes.
const (
	firstUses = 10
	tokenLife = time.Hour
)

// welcome prints how others join.
func welcome(ctx context.Context, j journey, out io.Writer) error {
	fmt.Fprintf(out, "%s (%s) is the first machine of a cluster.\n", j.Name, j.Address)
	for _, kind := range []access.Kind{access.Worker, access.Member} {
		line, err := invite(ctx, j.Address, access.Token{Kind: kind, Uses: firstUses}, tokenLife)
		if err != nil {
			return err
		}
		what := "A machine that runs units joins with"
		if kind == access.Member {
			what = "One that is to be a member of the store as well, with"
		}
		fmt.Fprintf(out, "\n%s\n\n    %s\n", what, line)
	}
	fmt.Fprintf(out, "\nEach line is good for %d machines, for %s: `argosy token create` prints others.\n", firstUses, tokenLife)
	return nil
}

// invite makes a token and the line that uses it.
func invite(ctx context.Context, address string, token access.Token, life time.Duration) (string, error) {
	secret, token, err := newToken(ctx, clientURL(address), token, life)
	if err != nil {
		return "", err
	}
	a, err := authority.DefaultFolder.Authority()
	if err != nil {
		return "", err
	}
	verb := "argosy join"
	if token.Kind == access.Member {
		verb += " --member"
	}
	return fmt.Sprintf("%s %s --token %s.%s --ca-hash %s", verb, net.JoinHostPort(address, join.Port), token.ID, secret, a.Pin()), nil
}
