package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/contexts"
	"argosy/edge/join"
)

// loginFlags are those of login.
type loginFlags struct {
	token, tokenFile, pin string
	port                  uint16 // of members' APIs
}

func login(s *session) *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login NAME@MEMBER[:PORT]",
		Short: "Become known to a cluster as a person, with a token that an admin has made",
		Long: `login makes a key, gets a certificate for it from a member with a token that 'argosy user
add' has printed, and keeps both as a context that fleetctl uses from then on, also from
another machine: see 'fleetctl context'. The key never leaves this machine. The cluster is
known by the hash of its authority, so that nobody in between can answer for it.

The certificate is good for 30 days, and every fleetctl that runs in the last third of
them renews it. --context says what the context is called; without, it is called as the
member is.

While login runs, its arguments can be seen by everybody on this machine: give the token
in a file (--token-file, - for standard input) or in the variable ` + cli.TokenVariable + `
where others are logged in.`,
		Example: "  fleetctl login otto@10.0.0.1 --token-file - --ca-hash sha256:...",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Coded(cli.ExitUsage, fmt.Errorf("one NAME@MEMBER is expected, %d were given\nsee '%s --help'", len(args), cmd.CommandPath()))
			}
			return nil
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // there is nobody yet to be asked as
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.login(cmd, args[0], f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.token, "token", "", "the token")
	flags.StringVar(&f.tokenFile, "token-file", "", "a file with the token; - for standard input")
	flags.StringVar(&f.pin, "ca-hash", "", "the hash of the cluster's authority, as in sha256:...")
	flags.Uint16Var(&f.port, "api-port", 49153, "where members' APIs are")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

// person takes NAME@MEMBER[:PORT] apart. A name may have an @ of its own.
func parsePerson(word string) (name, at string, err error) {
	cut := strings.LastIndex(word, "@")
	if cut < 0 || word[cut+1:] == "" {
		return "", "", fmt.Errorf("%q is no NAME@MEMBER[:PORT]", word)
	}
	name, at = word[:cut], word[cut+1:]
	if _, _, err := net.SplitHostPort(at); err != nil {
		at = net.JoinHostPort(strings.Trim(at, "[]"), join.Port)
	}
	return name, at, errors.Join(access.CheckPersonName(name), contexts.CheckMember(at))
}

func (s *session) login(cmd *cobra.Command, word string, f loginFlags) error {
	name, at, err := parsePerson(word)
	if err != nil {
		return usage(err)
	}
	token, err := cli.Token(f.token, f.tokenFile, cmd.InOrStdin())
	if err != nil {
		return usage(err)
	}
	if err := authority.CheckPin(f.pin); err != nil {
		return usage(fmt.Errorf("--ca-hash: %w", err))
	}
	host, _, _ := net.SplitHostPort(at)
	called := s.context
	if called == "" {
		called = contextOf(host)
	}
	folder, err := contexts.Default()
	if err == nil {
		err = contexts.CheckName(called)
	}
	if err != nil {
		return usage(err)
	}
	wish := access.Wish{Token: token, Kind: access.Person, Name: name}
	keys, err := authority.NewKeys(&wish)
	if err != nil {
		return err
	}
	answer, err := join.Ask(cmd.Context(), at, authority.Pinned(f.pin, host), wish)
	if err != nil {
		return err
	}
	if err := authority.Verify(wish, answer, f.pin); err != nil {
		return fmt.Errorf("what %s answered: %w; nothing was changed here", at, err)
	}
	made := contexts.Saved{CA: []byte(answer.Bundle), Cert: []byte(answer.Certificates.Own), Key: []byte(keys.Own)}
	if made.Members, made.Doors, err = placesOf(answer.Members, at, f.port); err != nil {
		return err
	}
	if err := folder.Save(called, made); err != nil {
		return err
	}
	if err := folder.Use(called); err != nil {
		return err
	}
	held, err := authority.Folder(filepath.Join(string(folder), "contexts", called)).Held(personFile)
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "Logged in as %s: context %s, renewed by use until %s\n", name, called, held.Until.UTC().Format(time.DateOnly))
	}
	return err
}

// personFile is what a context's certificate and key are called.
const personFile = "person"

// contextOf makes a context's name of a host's.
func contextOf(host string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToLower(host), ":", "-"), "-.")
}

// placesOf are where the members answer, and where they renew certificates: the one
// that was asked first.
func placesOf(clientURLs []string, asked string, apiPort uint16) (apis, doors []string, err error) {
	host, door, err := net.SplitHostPort(asked)
	if err != nil {
		return nil, nil, err
	}
	hosts := []string{host}
	for _, member := range clientURLs {
		at, err := url.Parse(member)
		if err != nil {
			return nil, nil, fmt.Errorf("where members are: %w", err)
		}
		if other := at.Hostname(); other != "" && !slices.Contains(hosts, other) {
			hosts = append(hosts, other)
		}
	}
	for _, host := range hosts {
		apis, doors = append(apis, net.JoinHostPort(host, fmt.Sprint(apiPort))), append(doors, net.JoinHostPort(host, door))
	}
	return apis, doors, nil
}

const (
	// renewTime bounds what a renewal may hold a command up.
	renewTime = 2 * time.Second
	// renewAgain is how long one that did not work is not tried again.
	renewAgain = time.Hour
)

// renew renews a person's certificate of which a third is left. A command goes on
// also where that does not work; that is said where the certificate ends soon.
func (s *session) renew(ctx context.Context, c contexts.Context, now time.Time) {
	folder := authority.Folder(c.Folder)
	held, err := folder.Held(personFile)
	if err != nil || now.Before(access.RenewAt(held.From, held.Until, 0)) || !held.Who.Kind.MayRenew(held.Until, now) {
		return // whoever uses it is told what is wrong
	}
	if err := s.renewAt(ctx, c, folder, now); err != nil && access.EndsSoon(held.From, held.Until, now) {
		s.warn("the certificate of %s ends at %s and was not renewed: %v", held.Who, held.Until.UTC().Format(time.RFC3339), err)
	}
}

func (s *session) renewAt(ctx context.Context, c contexts.Context, folder authority.Folder, now time.Time) error {
	if len(c.Doors) == 0 {
		return errors.New("it came another way than by 'fleetctl login'")
	}
	if !c.Try(now, renewAgain) {
		return fmt.Errorf("it was tried less than %s ago", renewAgain)
	}
	renewal, err := folder.Renewal(personFile)
	if err != nil {
		return err
	}
	secrets, err := authority.LoadClient(c.CAFile, "", "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	var faults []error
	for _, at := range c.Doors {
		answer, err := join.Renew(ctx, at, authority.ByMember(secrets), renewal)
		if err == nil {
			return folder.Replace(personFile, []byte(answer.Certificates.Own))
		}
		if faults = append(faults, err); errors.Is(err, access.ErrRefused) {
			break
		}
	}
	return errors.Join(faults...)
}
