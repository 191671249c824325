package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"argosy/cli"
	"argosy/edge/authority"
	"argosy/edge/discovery"
	"argosy/edge/etcdnode"
)

// discoveryPrefix begins the variables of discovery: --etcd is
// ARGOSY_DISCOVERY_ETCD.
const discoveryPrefix = "ARGOSY_DISCOVERY_"

type discoveryFlags struct {
	etcd, host, addr  string
	cacert, cert, key string
	config            discovery.Config
}

// DiscoveryCommand is discovery, the service by which machines that boot find
// each other.
func DiscoveryCommand() *cobra.Command {
	var given discoveryFlags
	command := &cobra.Command{
		Use:   "discovery",
		Short: "A service by which machines that boot find each other and form a cluster",
		Long: "discovery makes tokens (GET /new?size=3), each for one cluster to be, and machines that are started with\n" +
			"a token's URL (etcd --discovery URL) become that cluster. It speaks the protocol of discovery.etcd.io.\n\n" +
			"Tokens lie in an etcd with its v2 API: the one of --etcd, or else one that runs in this process, with etcd's\n" +
			"own ETCD_* variables: its data is in ./discovery.etcd unless ETCD_DATA_DIR says otherwise.\n\n" +
			"Every flag has a variable: --host is " + discoveryPrefix + "HOST. A flag wins over its variable.",
		Args: func(command *cobra.Command, arguments []string) error {
			if err := cobra.NoArgs(command, arguments); err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := setFromEnvironment(command.Flags(), discoveryPrefix, os.LookupEnv); err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			return runDiscovery(command.Context(), command.ErrOrStderr(), given)
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Coded(cli.ExitUsage, err) })
	flags := command.Flags()
	flags.StringVar(&given.etcd, "etcd", "", "client `URLs` of an etcd with its v2 API, separated by commas; without it, one of its own")
	flags.StringVar(&given.host, "host", "", "the `URL` that machines reach this service at, with which each token begins")
	flags.StringVar(&given.addr, "addr", "127.0.0.1:8087", "where to listen, as `host:port`")
	flags.DurationVar(&given.config.TTL, "ttl", discovery.TTL, "how long a token lives; 0 for ever")
	flags.IntVar(&given.config.Tokens, "tokens", discovery.Tokens, "how many tokens may live; more are refused")
	flags.IntVar(&given.config.Connections, "connections", discovery.Connections, "how many connections may be open; more wait")
	flags.StringVar(&given.cacert, "cacert", "", "the certificate of the authority that an etcd over https is of, as a `file`")
	flags.StringVar(&given.cert, "cert", "", "the certificate to show to it, as a `file`")
	flags.StringVar(&given.key, "key", "", "its key, as a `file`")
	return command
}

func runDiscovery(ctx context.Context, faults io.Writer, given discoveryFlags) error {
	config := given.config
	config.Host, config.Patience, config.Now = given.host, discovery.Patience, time.Now
	config.Report = func(err error) { fmt.Fprintf(faults, "discovery: %v\n", err) }
	if err := given.check(); err != nil {
		return cli.Coded(cli.ExitUsage, err)
	}
	members, own := given.etcd, (*etcdnode.Settings)(nil)
	if members == "" {
		var err error
		if own, err = ownEtcd(os.Environ()); err != nil {
			return cli.Coded(cli.ExitUsage, err)
		}
		members = own.Etcd.ListenClientUrls[0].String()
	}
	certificates, err := given.tls()
	if err != nil {
		return err
	}
	if config.Store, err = discovery.NewStore(members, certificates); err != nil {
		return cli.Coded(cli.ExitUsage, err)
	}
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", given.addr)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", given.addr, err)
	}
	ready := func() { tell(daemon.SdNotifyReady) }
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return discovery.Serve(ctx, listener, config) })
	if own != nil {
		parts.Go(func() error { return serve(ctx, own, faults, ready) })
	} else {
		ready()
	}
	return parts.Wait()
}

func (given discoveryFlags) check() error {
	var faults []error
	if host, err := url.Parse(given.host); err != nil || host.Scheme != "http" && host.Scheme != "https" || host.Host == "" {
		faults = append(faults, fmt.Errorf("--host must be the URL that machines reach this service at, as http://10.0.0.1:8087, and is %q", given.host))
	}
	if given.config.TTL < 0 || given.config.TTL > 0 && given.config.TTL < time.Second {
		faults = append(faults, errors.New("--ttl must be a second or more, or 0"))
	}
	if given.config.Tokens <= 0 || given.config.Connections <= 0 {
		faults = append(faults, errors.New("--tokens and --connections must be above 0"))
	}
	return errors.Join(faults...)
}

// tls is nil where no file is named.
func (given discoveryFlags) tls() (*tls.Config, error) {
	if given.cacert == "" && given.cert == "" && given.key == "" {
		return nil, nil
	}
	return authority.LoadClient(given.cacert, given.cert, given.key)
}

// ownEtcd is one member alone, set up by etcd's own variables where they say
// something.
func ownEtcd(environment []string) (*etcdnode.Settings, error) {
	return etcdnode.Parse([]string{"--enable-v2"}, slices.Concat([]string{"ETCD_NAME=discovery"}, environment))
}
