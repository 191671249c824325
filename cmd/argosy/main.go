// Command argosy is the whole project in one file. It answers to several names,
// by its own name (a link called fleetctl) or by its first word (argosy fleetctl).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/etcd"
	"argosy/cli/fleetctl"
	"argosy/cli/fleetd"
	"argosy/cli/local"
	"argosy/cli/setup"
)

// names are the commands that a link to the binary may be called, besides argosy.
func names() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"discovery": etcd.DiscoveryCommand,
		"endpoint":  etcd.EndpointCommand,
		"etcd":      etcd.Command,
		"etcdctl":   etcd.CtlCommand,
		"etcdutl":   etcd.UtlCommand,
		"fence":     fleetd.FenceCommand,
		"fleetctl":  fleetctl.New,
		"fleetd":    fleetd.New,
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(filepath.Base(os.Args[0])).ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	}
	os.Exit(cli.Code(err)) //nolint:gocritic // stop has nothing left to do
}

func command(name string) *cobra.Command {
	if build, ok := names()[name]; ok {
		return build()
	}
	root := &cobra.Command{
		Use:           "argosy",
		Short:         "A handful to thousands of Linux machines as one computer",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, build := range names() {
		root.AddCommand(build())
	}
	root.AddCommand(local.Commands()...)
	root.AddCommand(setup.Commands()...)
	root.AddCommand(fleetctl.User(), fleetctl.Audit())
	return root
}
