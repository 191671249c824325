package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/sealing"
	"argosy/edge/store"
)

func caRotate() *cobra.Command {
	var finish bool
	command := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the cluster's authority, while the cluster runs",
		Long: `rotate makes another authority and has it take the place of the one that signs
certificates: it is made known to all machines, then all get certificates of it. No
unit and no program's connection notices; fleetd starts anew on each machine. It runs on
a member, as root, and takes some minutes, because machines that are no members ask
that often. One that was interrupted goes on when it is called again, on any member.

The former authority is trusted until "argosy ca rotate --finish", so that machines that
are off can be started before. Those that come later join again, and people log in
again. Tokens name the authority that made them: make others.

The authority of the store's peers, which members alone know, stays.`,
		Args: usage(cobra.NoArgs),
	}
	command.Flags().BoolVar(&finish, "finish", false, "have the former authority not be trusted any more")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return onMember(func(s *store.Store) error {
			tell := func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) }
			r := rotationIn(s, tell)
			step, did, said := r.replace, "replace the authority", "The new authority signs. The former one is trusted until `argosy ca rotate --finish`."
			if finish {
				step, did, said = r.end, "end the former authority", "The former authority is not trusted any more: each machine knows within minutes."
			}
			if err := step(command.Context()); err != nil {
				return err
			}
			if err := s.Record(command.Context(), ruled(did)); err != nil {
				return err
			}
			_, err := fmt.Fprintln(command.OutOrStdout(), said)
			return err
		})
	}
	return command
}

func rotationIn(s *store.Store, tell func(string)) *rotation {
	keys := sealing.File(sealing.DefaultFile)
	return &rotation{
		store: s,
		begin: func() (access.Authorities, error) {
			next, key, err := authority.DefaultFolder.Begin()
			if err == nil {
				next.Key, err = keys.SealKey(key)
			}
			return next, err
		},
		turn: authority.Turn, alone: authority.Alone,
		ask: func(ctx context.Context, m cluster.Machine, a access.Authorities) (string, error) {
			return askMachine(ctx, keys, m, a)
		},
		tell: tell, now: time.Now, by: whoami(),
	}
}

// askTime bounds the question to one machine.
const askTime = 5 * time.Second

// askMachine calls a machine's API with a certificate of the newest authority. What the
// machine answers does not matter: that it does.
func askMachine(ctx context.Context, keys sealing.File, m cluster.Machine, a access.Authorities) (signer string, err error) {
	key, err := keys.OpenKey(a.Key)
	if err != nil {
		return "", err
	}
	newest, err := authority.Parse([]byte(a.Bundle), key)
	if err != nil {
		return "", err
	}
	own, err := authority.DefaultFolder.Held(authority.MachineName)
	if err != nil {
		return "", err
	}
	certificate, ownKey, err := newest.Issue(own.Who, own.Hosts)
	if err != nil {
		return "", err
	}
	shown, err := tls.X509KeyPair(certificate, ownKey)
	if err != nil {
		return "", err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(a.Bundle))
	client := &http.Client{Timeout: askTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: trusted, Certificates: []tls.Certificate{shown}},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+m.API+"/healthz", nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("it does not take certificates of the new authority yet: %w", errors.Unwrap(err))
	}
	_ = answer.Body.Close() // it is not read
	return authority.Signer(answer.TLS.PeerCertificates[0], []byte(a.Bundle))
}
