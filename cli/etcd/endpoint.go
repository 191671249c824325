package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"argosy/cli"
	"argosy/edge/authority"
	"argosy/edge/endpoint"
	"argosy/edge/host"
)

// endpointPrefix begins the variables of endpoint: --members is
// ARGOSY_ENDPOINT_MEMBERS.
const endpointPrefix = "ARGOSY_ENDPOINT_"

type endpointFlags struct {
	members, listen   []string
	membersFile       string
	cacert, cert, key string
	config            endpoint.Config
}

// EndpointCommand is endpoint, the relay from plain text on this machine to the
// members' TLS ports.
func EndpointCommand() *cobra.Command {
	var given endpointFlags
	command := &cobra.Command{
		Use:   "endpoint",
		Short: "The way to the cluster's store for plain programs on this machine",
		Long: "endpoint listens in plain text and passes each connection on to one of the store's members, over TLS,\n" +
			"as the user that its certificate names. A member on this machine is asked first. Who connects must be on\n" +
			"the network of the address that is listened at; an address that is not there yet, as that of a bridge\n" +
			"before its first container, may be given.\n\n" +
			"Every flag has a variable: --members is " + endpointPrefix + "MEMBERS. A flag wins over its variable.",
		Args: func(command *cobra.Command, arguments []string) error {
			if err := cobra.NoArgs(command, arguments); err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := setFromEnvironment(command.Flags(), endpointPrefix, os.LookupEnv); err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			return runEndpoint(command, given)
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Coded(cli.ExitUsage, err) })
	flags := command.Flags()
	flags.StringSliceVar(&given.members, "members", nil, "the members' client URLs, as in https://10.0.0.1:2379,https://10.0.0.2:2379")
	flags.StringVar(&given.membersFile, "members-file", host.MembersFile, "a file with more of them, one a line, read again on SIGHUP; it may be missing")
	flags.StringSliceVar(&given.listen, "listen", []string{"127.0.0.1:2379", "unix:/run/etcd.sock"}, "where to listen: host:port or unix:/path")
	flags.StringVar(&given.cacert, "cacert", "/etc/argosy/pki/ca.crt", "the authority's certificate that members' are issued by")
	flags.StringVar(&given.cert, "cert", "/etc/argosy/pki/local.crt", "the certificate to show to members")
	flags.StringVar(&given.key, "key", "/etc/argosy/pki/local.key", "its key")
	flags.DurationVar(&given.config.DialTimeout, "dial-timeout", endpoint.DialTimeout, "how long a member has to answer before the next is tried")
	flags.IntVar(&given.config.Connections, "connections", endpoint.Connections, "how many connections may be open; more wait")
	return command
}

func runEndpoint(command *cobra.Command, given endpointFlags) error {
	config := given.config
	var err, membersErr, limitsErr error
	config.Members, membersErr = given.known()
	if membersErr != nil {
		membersErr = fmt.Errorf("--members or %sMEMBERS: %w", endpointPrefix, membersErr)
	}
	if config.DialTimeout <= 0 || config.Connections <= 0 {
		limitsErr = errors.New("--dial-timeout and --connections must be above 0")
	}
	if err := errors.Join(membersErr, limitsErr); err != nil {
		return cli.Coded(cli.ExitUsage, err)
	}
	if config.TLS, err = given.secrets(); err != nil {
		return err
	}
	if config.Authorities, err = authority.LoadAuthorities(given.cacert); err != nil {
		return err
	}
	if config.Listeners, err = endpoint.Listen(command.Context(), given.listen); err != nil {
		return err
	}
	for i, listener := range config.Listeners {
		config.Listeners[i] = endpoint.Neighbours(listener)
	}
	config.Changed = reachability(command.ErrOrStderr())
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	updates := make(chan []string)
	config.Updates = updates
	tell(daemon.SdNotifyReady)
	context.AfterFunc(command.Context(), func() { tell(daemon.SdNotifyStopping) })
	parts, ctx := errgroup.WithContext(command.Context())
	parts.Go(func() error { return endpoint.Run(ctx, config) })
	parts.Go(func() error {
		given.follow(ctx, again, updates, command.ErrOrStderr())
		return nil
	})
	return parts.Wait()
}

// secrets are what the relay shows and expects: another machine at a member's address
// is no store, though the authority knows it.
func (f endpointFlags) secrets() (*tls.Config, error) {
	config, err := authority.LoadClient(f.cacert, f.cert, f.key)
	if err != nil {
		return nil, err
	}
	return authority.ByMember(config), nil
}

// known are the members that are named and those that the file adds.
func (f endpointFlags) known() ([]string, error) {
	learnt, err := host.ReadMembers(f.membersFile)
	if err != nil {
		return nil, err
	}
	return endpoint.ParseMembers(host.WithMembers(f.members, learnt))
}

// follow reads the members each time that it is told to, until ctx ends.
func (f endpointFlags) follow(ctx context.Context, again <-chan os.Signal, updates chan<- []string, faults io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		members, err := f.known()
		if err != nil {
			fmt.Fprintf(faults, "the members stay as they were: %v\n", err)
			continue
		}
		select {
		case updates <- members:
		case <-ctx.Done():
			return
		}
	}
}

// reachability says when a member is lost and found.
func reachability(out io.Writer) func(member string, err error) {
	return func(member string, err error) {
		if err != nil {
			fmt.Fprintf(out, "member %s cannot be reached: %v\n", member, err)
		} else {
			fmt.Fprintf(out, "member %s can be reached again\n", member)
		}
	}
}

// setFromEnvironment sets the flags that the command line did not, from variables
// that begin with prefix. All faults are reported at once.
func setFromEnvironment(flags *pflag.FlagSet, prefix string, lookup func(string) (string, bool)) error {
	var faults []error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, set := lookup(name)
		if !set || value == "" || flag.Changed {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			faults = append(faults, fmt.Errorf("%s=%q: %w", name, value, err))
		}
	})
	return errors.Join(faults...)
}
