// Package etcd has the commands of the store on a machine: etcd, a member of it;
// endpoint, the way to it for plain programs; and discovery, by which machines
// become members.
package etcd

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/version"

	"argosy/cli"
	"argosy/edge/authority"
	"argosy/edge/etcdnode"
	"argosy/edge/v2keys"
)

// Command is etcd, under its own name or as argosy's first word. It reads its
// command line as etcd's own does (one dash or two), so cobra does not.
func Command() *cobra.Command {
	return &cobra.Command{
		Use:                "etcd [flags]",
		Short:              "A member of the cluster's store",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		SilenceErrors:      true,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var words []string
			for _, name := range etcdnode.FlagNames() {
				words = append(words, "--"+name)
			}
			return words, cobra.ShellCompDirectiveDefault
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			settings, err := etcdnode.Parse(arguments, os.Environ())
			if err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			out := command.OutOrStdout()
			switch {
			case settings.Help:
				fmt.Fprint(out, "A member of the cluster's store: etcd "+version.Version+".\n\n"+
					"Every flag has a variable: --data-dir is ETCD_DATA_DIR. A flag wins over its variable.\n\nFlags:\n")
				etcdnode.WriteFlags(out)
				return nil
			case settings.Version:
				_, err := fmt.Fprintf(out, "etcd Version: %s\nGo Version: %s\nGo OS/Arch: %s/%s\n",
					version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			case settings.KeysV2:
				if err := beginAgain(); err != nil {
					return err
				}
			}
			return serve(command.Context(), settings, command.ErrOrStderr(), func() { tell(daemon.SdNotifyReady) })
		},
	}
}

// serve runs etcd with what belongs to it until ctx ends. What it gets over by
// itself is written to faults.
func serve(ctx context.Context, settings *etcdnode.Settings, faults io.Writer, ready func()) error {
	for _, warning := range settings.Warnings {
		fmt.Fprintf(faults, "etcd: warning: %s\n", warning)
	}
	if settings.Discovery.URL != "" {
		as, err := join(ctx, settings, faults)
		if err == nil && as == isProxy {
			err = proxy(ctx, settings, faults, ready)
		}
		if err != nil || as == isProxy {
			return endedBy(ctx, err)
		}
	}
	settings.Etcd.SetupGlobalLoggers()
	guard, err := guardOf(settings, faults)
	if err != nil {
		return err
	}
	config := etcdnode.Config{
		Etcd:     settings.Etcd,
		Guard:    guard,
		Ready:    ready,
		Stopping: func() { tell(daemon.SdNotifyStopping) },
	}
	if settings.KeysV2 {
		var keys keysAPI
		config.Handlers = keys.handlers()
		config.Beside = keys.run(v2keys.Limits{RequestBytes: config.Etcd.MaxRequestBytes, Operations: config.Etcd.MaxTxnOps}, faults)
	}
	return etcdnode.Run(ctx, config)
}

// guardOf is nil where the settings ask for none, which is said wherever somebody
// may take the certificates that are asked for to be one.
func guardOf(settings *etcdnode.Settings, faults io.Writer) (*etcdnode.Guard, error) {
	info := settings.Etcd.ClientTLSInfo
	if !settings.Guard {
		if info.TrustedCAFile != "" {
			fmt.Fprintf(faults, "etcd: warning: INSECURE: whoever holds any certificate that %s has issued may do everything here: --enable-guard is off\n", info.TrustedCAFile)
		}
		return nil, nil
	}
	config, err := authority.LoadServer(info.TrustedCAFile, info.CertFile, info.KeyFile)
	if err != nil {
		return nil, err
	}
	report := func(err error) { fmt.Fprintf(faults, "etcd: guard: %v\n", err) }
	return &etcdnode.Guard{TLS: config, IdentityOf: authority.IdentityOf, Report: report, Bound: bounds(faults)}, nil
}

// endedBy is nil where err only says that ctx ended.
func endedBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tell says something to systemd, if it is there. A lost word costs at most a
// start that systemd gives up on, and systemd says so.
func tell(state string) { _, _ = daemon.SdNotify(false, state) }
