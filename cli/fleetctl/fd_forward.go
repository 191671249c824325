package fleetctl

import (
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"
)

// fdForward is what a fleetctl of fleet runs here at the end of its tunnel.
func fdForward() *cobra.Command {
	return &cobra.Command{
		Use:               "fd-forward SOCKET",
		Short:             "Join stdin and stdout to a unix socket",
		Args:              oneSocket,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // it asks no API
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return forwardTo(args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		}),
	}
}

// forwardTo ends when the socket has nothing more to say. A reader of stdin that
// waits for ever ends with the program.
func forwardTo(path string, in io.Reader, out io.Writer) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return fmt.Errorf("forward to %s: %w", path, err)
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, in) // the socket's own end tells of a fault
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	if _, err := io.Copy(out, conn); err != nil {
		return fmt.Errorf("forward to %s: %w", path, err)
	}
	return nil
}
