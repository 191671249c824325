package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/sealing"
	"argosy/edge/store"
)

func secretsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "secrets",
		Short: "The key that members seal the cluster's secrets with",
	}
	command.AddCommand(secretsRekey())
	return command
}

func secretsRekey() *cobra.Command {
	return &cobra.Command{
		Use:   "rekey",
		Short: "Replace the key that the secrets are sealed with, while the cluster runs",
		Long: `rekey makes another key, has all members that run get it from each other, seals all
versions of all secrets anew with it, and has members forget the former key. No value
changes, and no unit notices. It runs on a member, as root. One that was interrupted
goes on when it is called again, on any member; a member that is off gets the key when
it comes back.

Copies of the store that were made before are sealed with the former key still: keep a
copy of /etc/argosy/pki/secrets.key beside them, apart, or let them end. Whoever has both
can read the values of then: give the secrets others, with "fleetctl secret set".

After a member was stolen: "argosy ca revoke", this, then "argosy ca rotate".`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			own, err := authority.DefaultFolder.Held(authority.MachineName)
			if err != nil {
				return err
			}
			return onMember(func(s *store.Store) error {
				r := &rekeying{
					store: s, file: sealing.DefaultFile, self: own.Who.Machine(), ask: askMember, now: time.Now, by: whoami(),
					tell: func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) },
				}
				key, err := r.replace(command.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "All secrets are sealed with the key %s. Keep a copy of %s where backups are not.\n", key, sealing.DefaultFile)
				return err
			})
		},
	}
}

// keysTime bounds the question to one member.
const keysTime = 5 * time.Second

// askMember learns which keys a member has, which must show a member's certificate.
func askMember(ctx context.Context, m cluster.Machine) ([]string, error) {
	folder := authority.DefaultFolder
	secrets, err := authority.LoadClient(folder.BundleFile(), folder.CertificateFile(authority.MachineName), folder.KeyFile(authority.MachineName))
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Endpoints: []string{"https://" + m.API}, TLS: authority.ByMember(secrets), Timeout: keysTime})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	answer, err := c.Keys(ctx, "")
	return answer.Held, err
}
