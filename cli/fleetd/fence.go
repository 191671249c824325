package fleetd

import (
	"errors"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"argosy/edge/fence"
)

// FenceCommand is the process of fleet-fence.service.
func FenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fence",
		Short: "End units with OnPartition=stop when this machine is out of touch",
		Long: `fence is the process of fleet-fence.service, to which systemd binds the units with
OnPartition=stop. It lives for as long as fleetd has had word from the cluster of
late, and systemd's watchdog ends it at the same moment should it hang: then
systemd ends those units, and where one does not end reboots the machine.

It is started and stopped with the first and last of them and takes no options.`,
		Args:          nothing,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fence.Term(fence.DefaultTerm).Stand(cmd.Context(), func(state string) error {
				told, err := daemon.SdNotify(false, state)
				if err == nil && !told {
					err = errors.New("NOTIFY_SOCKET is not set: this is for systemd to start, as fleet-fence.service")
				}
				return err
			})
		},
	}
}
