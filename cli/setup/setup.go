// Package setup is the commands by which machines become a cluster and stay one:
// init, join, token, ca and secrets. They run on the machine that they are about, as root.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/host"
	"argosy/edge/store"
	"argosy/edge/systemd"
)

// Commands are all of them, for `argosy`.
func Commands() []*cobra.Command {
	return []*cobra.Command{initCommand(), joinCommand(), tokenCommand(), caCommand(), secretsCommand()}
}

// usage gives a wrong number of arguments its exit code.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, arguments []string) error {
		if err := check(command, arguments); err != nil {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("%w: expected %s", err, command.UseLine()))
		}
		return nil
	}
}

// thisMachine looks around before anything is changed.
func thisMachine(ctx context.Context, name, address string, units ...string) (host.Facts, error) {
	if os.Geteuid() != 0 {
		return host.Facts{}, errors.New("this changes the whole machine: run it as root")
	}
	facts, err := host.Read()
	if err != nil {
		return facts, err
	}
	if name != "" {
		facts.Name = name
	}
	if address != "" {
		facts.Address = address
	}
	if facts.Address == "" {
		return facts, errors.New("this machine has no address but loopback: say --address")
	}
	return facts, systemd.Services{}.Installed(ctx, units...)
}

// services are the units that a machine of a cluster runs, in the order in which
// they start.
func services(member bool) []string {
	if member {
		return []string{"etcd.service", "etcd-endpoint.service", "fleet.socket", "fleet.service"}
	}
	return []string{"etcd-endpoint.service", "fleet.socket", "fleet.service"}
}

// openStore reaches the store as this machine, which must be a member.
func openStore(members ...string) (*store.Store, error) {
	folder := authority.DefaultFolder
	secrets, err := authority.LoadClient(folder.BundleFile(), folder.CertificateFile(authority.MachineName), folder.KeyFile(authority.MachineName))
	if err != nil {
		return nil, err
	}
	return store.Open(store.Config{Endpoints: members, TLS: secrets})
}

const (
	// settleTime bounds the wait for what must come by itself.
	settleTime = 2 * time.Minute
	interval   = 200 * time.Millisecond
)

// until waits for something that must come about.
func until(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not so after %s: %w", what, settleTime, err)
		}
	}
}

// ready waits until this machine's fleetd is known to the cluster and does its work.
func ready(ctx context.Context) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(client.DefaultEndpoint, "unix://"))
	}
	asking := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	return until(ctx, "wait for this machine to be of the cluster", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fleet/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := asking.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		report, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
		if err == nil && answer.StatusCode != http.StatusOK {
			err = errors.New(strings.TrimSpace(string(report)))
		}
		return err
	})
}
