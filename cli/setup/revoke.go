package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/store"
)

func caRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke MACHINE|PERSON",
		Short: "Put a machine or a person out of the cluster",
		Long: `revoke has every certificate that a machine or a person has now be refused everywhere,
and ends the connections, watches and leases that they have. A machine's units move to
others. It runs on a member, as root. A machine is named by its id, or the beginning of
it, or its host name.

It cannot be taken back, but the machine may be joined again with a token, and the
person be given a new certificate: those have a higher number.

A member of the store is removed from the store too. It holds the authorities' keys: if
it was stolen, "argosy ca rotate" is next.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, arguments []string) error {
			return onMember(func(s *store.Store) error {
				ctx := command.Context()
				subject, err := subjectOf(ctx, s, arguments[0])
				if err != nil {
					return err
				}
				if err := unstore(ctx, s, subject); err != nil {
					return err
				}
				if _, err := s.Expel(ctx, subject, whoami(), time.Now(), ruled("revoke "+subject.String())); err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "The certificates of %s are refused from now on.\n", subject)
				return err
			})
		},
	}
}

// subjectOf is whom a word means: a machine that is listed, a machine's whole id, or a
// person.
func subjectOf(ctx context.Context, s *store.Store, word string) (access.Subject, error) {
	machines, err := s.Machines(ctx)
	if err != nil {
		return access.Subject{}, err
	}
	var meant []cluster.Machine
	for _, m := range machines {
		if m.Name == word || strings.HasPrefix(string(m.ID), word) {
			meant = append(meant, m)
		}
	}
	if len(meant) > 1 {
		return access.Subject{}, fmt.Errorf("%q may be several machines: say more of the id", word)
	}
	if len(meant) == 1 {
		return access.Subject{Machine: meant[0].ID}, nil
	}
	if id, err := cluster.ParseMachineID(word); err == nil {
		return access.Subject{Machine: id}, nil // one that is away
	}
	register, err := s.Register(ctx)
	if err != nil {
		return access.Subject{}, err
	}
	if _, known := register.Accounts[word]; !known {
		return access.Subject{}, cli.Coded(cli.ExitNotFound, fmt.Errorf("no machine of the cluster and no person is called %q; a machine that is away is named by its whole id", word))
	}
	return access.Subject{Person: word}, nil
}

// unstore takes a machine out of the store if it is a member: the others would go on
// with it as a peer, whatever its certificates.
func unstore(ctx context.Context, s *store.Store, subject access.Subject) error {
	if subject.Machine == "" {
		return nil
	}
	own, err := authority.DefaultFolder.Held(authority.MachineName)
	if err != nil {
		return err
	}
	if own.Who.Subject() == subject {
		return errors.New("this is the machine itself: do it on another member")
	}
	m, err := s.Machine(ctx, subject.Machine)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil // etcdctl member list shows whether the store still counts it
	}
	if err != nil {
		return err
	}
	id, err := s.MemberAt(ctx, clientURL(m.Address))
	if errors.Is(err, cluster.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.RemoveMember(ctx, id)
}
