package etcd

import (
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
)

// Both of etcd's command packages let every command of the process be shortened
// ("fleetctl st"). Ours may not be;
// etcdctl is where it runs.
func init() { cobra.EnablePrefixMatching = false }

// CtlCommand is etcdctl, etcd's own for the v3 API. It reads the process's
// arguments itself, and ends the process as it always did.
func CtlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "etcdctl [command] [flags]",
		Short:              "Asks and changes the cluster's store (etcd's own command)",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		SilenceErrors:      true,
		RunE: func(_ *cobra.Command, arguments []string) error {
			signal.Reset() // an interrupt ends it, as a watch must be ended
			cobra.EnablePrefixMatching = true
			os.Args = append([]string{"etcdctl"}, arguments...)
			ctlv3.MustStart()
			return nil
		},
	}
}

// UtlCommand is etcdutl, etcd's own for the files of a member that is down.
func UtlCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "etcdutl",
		Short: "Works on the files of a member that is down (etcd's own command)",
		PersistentPreRun: func(*cobra.Command, []string) {
			signal.Reset() // as etcdctl
		},
	}
	flags := command.PersistentFlags()
	flags.DurationVar(&etcdutl.FlockTimeout, "timeout", 10*time.Second, "how long to wait for the lock of a data file; 0 for ever")
	flags.StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "fields, json, protobuf, simple or table")
	command.AddCommand(
		etcdutl.NewDefragCommand(), etcdutl.NewSnapshotCommand(), etcdutl.NewHashKVCommand(),
		etcdutl.NewMigrateCommand(), etcdutl.NewVersionCommand(), etcdutl.NewCompletionCommand(),
	)
	return command
}
