package setup

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/sealing"
	"argosy/edge/store"
)

func caRotate() *cobra.Command {
	var finish bool
	command := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the cluster's authorities, while the cluster runs",
		Long: `rotate makes other authorities, one for machines and people and one for the store's
members among themselves, and has them take the place of those that sign certificates:
they are made known to all machines, then all get certificates of them. It runs on a
member, as root, and waits until it is done, some seconds. No unit notices, and no
program's connection through a machine's relay but those to a member while its etcd
starts anew: etcd reads the authorities of its peers when it starts, and so the members'
do one after the other, while all others go on. fleetd starts anew on each machine. A
rotation that was interrupted goes on when it is called again, on any member.

The former authorities are trusted until "argosy ca rotate --finish", which has etcd
start anew on each member once more and ends the connections that were begun with
their certificates. Members that are off are started before the first step. Other
machines that are off from before the first step until after it join again, and people
log in again. Tokens name the authority that made them: make others.`,
		Args: usage(cobra.NoArgs),
	}
	command.Flags().BoolVar(&finish, "finish", false, "have the former authorities not be trusted any more")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return onMember(func(s *store.Store) error {
			tell := func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) }
			r, err := rotationIn(command.Context(), s, tell)
			if err != nil {
				return err
			}
			step, did, said := r.replace, "replace the authority", "The new authority signs. The former one is trusted until `argosy ca rotate --finish`."
			if finish {
				step, did, said = r.end, "end the former authority", "The former authority is not trusted any more: all machines know."
			}
			if err := step(command.Context()); err != nil {
				return err
			}
			if err := s.Record(command.Context(), ruled(did)); err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), said)
			return err
		})
	}
	return command
}

func rotationIn(ctx context.Context, s *store.Store, tell func(string)) (*rotation, error) {
	members, err := s.Members(ctx)
	if err != nil {
		return nil, err
	}
	s.UseMembers(members) // each of them starts anew on the way
	folder := authority.DefaultFolder
	return &rotation{
		store: s, begin: func() (access.Authorities, error) { return successors(folder, sealing.File(sealing.DefaultFile)) },
		turn: authority.Turn, alone: authority.Alone,
		ask: func(ctx context.Context, m cluster.Machine, s access.Succession) (met, error) {
			return meet(s)(folder.Look(ctx, authority.MachineName, http.MethodPost, "https://"+m.API+api.Base+"/cluster", s.Bundle))
		},
		askPeer: func(ctx context.Context, m cluster.Machine, s access.Succession) (met, error) {
			return meet(s)(folder.Look(ctx, authority.PeerName, http.MethodGet, peerURL(m.Address)+"/version", s.Bundle))
		},
		tell: tell, now: time.Now, by: whoami(),
	}, nil
}

// successors are new authorities, with their keys as members alone read them.
func successors(folder authority.Folder, keys sealing.File) (all access.Authorities, err error) {
	for into, begin := range map[*access.Succession]func() (access.Succession, []byte, error){
		&all.Succession: folder.Begin, &all.Peers: folder.BeginPeers,
	} {
		next, key, err := begin()
		if err != nil {
			return all, err
		}
		if next.Key, err = keys.SealKey(key); err != nil {
			return all, err
		}
		*into = next
	}
	return all, nil
}

// meet compares what a machine shows with what it should.
func meet(s access.Succession) func(authority.Port, error) (met, error) {
	return func(port authority.Port, err error) (met, error) {
		if err != nil {
			return met{}, err
		}
		var is met
		if is.signer, err = port.Signer(s.Bundle); err != nil {
			return is, err
		}
		is.trusts, err = port.Trusts(s.Bundle)
		return is, err
	}
}
