package fleetctl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/contexts"
)

// contextVariable names the context where --context does not.
const contextVariable = "ARGOSY_CONTEXT"

// chosen is the context to use: the one that is named, or the one in use where
// nothing else says how the cluster is reached. It is false for none.
func (s *session) chosen(cmd *cobra.Command) (contexts.Context, bool, error) {
	name := s.context
	if name == "" {
		name = os.Getenv(contextVariable)
	}
	named := name != ""
	own := s.caFile != "" || s.certFile != "" || s.keyFile != ""
	switch {
	case named && own:
		return contexts.Context{}, false, errors.New("--context and --ca-file, --cert-file, --key-file: give one or the other")
	case !named && (own || s.given(cmd, "endpoint")):
		return contexts.Context{}, false, nil
	}
	folder, err := contexts.Default()
	if err != nil && !named {
		return contexts.Context{}, false, nil // nobody has logged in who has no home
	}
	if err == nil && !named {
		name, err = folder.Current()
	}
	if err != nil || name == "" {
		return contexts.Context{}, false, err
	}
	context, err := folder.Load(name)
	return context, true, err
}

// through changes the client's configuration to a context's. An endpoint that is a
// socket is the machine that connections go through; any other is asked in the place
// of the context's members.
func through(config *client.Config, c contexts.Context, endpoint string) error {
	secrets, err := authority.LoadClient(c.CAFile, c.CertFile, c.KeyFile)
	if err != nil {
		return fmt.Errorf("context %q: %w", c.Name, err)
	}
	config.TLS = authority.ByMember(secrets)
	socket, isSocket := strings.CutPrefix(endpoint, "unix://")
	switch {
	case isSocket:
		config.Dial = client.Through(socket)
		fallthrough
	case endpoint == "":
		config.Endpoints = nil
		for _, member := range c.Members {
			config.Endpoints = append(config.Endpoints, "https://"+member)
		}
	}
	return nil
}

func contextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "See and choose the clusters that you have logged in to",
		Long: `A context is a cluster as one person: the members' addresses, a certificate and its
key, in a folder below ~/.config/argosy (or $XDG_CONFIG_HOME/argosy) that only its owner
can read. --context or ARGOSY_CONTEXT names the one to use; without, it is the one that
was chosen here, and without that the socket of this machine.

With a context, --endpoint unix:///run/fleet.sock goes through this machine to a member,
also where this machine is none; nothing of what is said can be read on the way.`,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // it asks no cluster
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(contextList(), contextUse(), contextRemove(), contextAdd())
	return cmd
}

// inFolder runs a verb with the folder of contexts.
func inFolder(verb func(cmd *cobra.Command, folder contexts.Folder, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		folder, err := contexts.Default()
		if err == nil {
			err = verb(cmd, folder, args)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return cli.Coded(cli.ExitNotFound, err)
		}
		return err
	}
}

func contextList() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list", Short: "List the contexts", Args: nothing,
		RunE: inFolder(func(cmd *cobra.Command, folder contexts.Folder, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			rows, err := contextRows(folder)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), l, contextColumns, rows, rows)
		}),
	}
	l.flags(cmd, "context,current,person,ends,members", "context,current,person,ends,members", named(contextColumns))
	return cmd
}

// contextRow is a context as it is listed.
type contextRow struct {
	Name    string    `json:"name"`
	Current bool      `json:"current"`
	Person  string    `json:"person,omitempty"`
	Ends    time.Time `json:"ends,omitzero"` // the certificate
	Members []string  `json:"members,omitempty"`
	Problem string    `json:"problem,omitempty"`
}

var contextColumns = []column[contextRow]{
	{"context", func(r contextRow, _ bool) string { return r.Name }},
	{"current", func(r contextRow, _ bool) string {
		if r.Current {
			return "yes"
		}
		return "-"
	}},
	{"person", func(r contextRow, _ bool) string { return dash(r.Person) }},
	{"ends", func(r contextRow, _ bool) string {
		if r.Problem != "" {
			return r.Problem
		}
		return r.Ends.UTC().Format(time.DateOnly)
	}},
	{"members", func(r contextRow, _ bool) string { return dash(strings.Join(r.Members, ",")) }},
}

func contextRows(folder contexts.Folder) ([]contextRow, error) {
	names, err := folder.List()
	if err != nil {
		return nil, err
	}
	current, err := folder.Current()
	if err != nil {
		return nil, err
	}
	rows := []contextRow{}
	for _, name := range names {
		row := contextRow{Name: name, Current: name == current}
		context, err := folder.Load(name)
		if err == nil {
			row.Members = context.Members
			row.Person, row.Ends, err = personOf(context)
		}
		if err != nil {
			row.Problem = err.Error()
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// personOf reads whose certificate a context has, and until when.
func personOf(c contexts.Context) (string, time.Time, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return "", time.Time{}, err
	}
	who, err := authority.IdentityOf(pair.Leaf)
	return who.Name, pair.Leaf.NotAfter, err
}

func contextUse() *cobra.Command {
	cmd := &cobra.Command{
		Use: "use CONTEXT", Short: "Use a context where no other is named", Args: cobra.ExactArgs(1),
		RunE: inFolder(func(_ *cobra.Command, folder contexts.Folder, args []string) error { return folder.Use(args[0]) }),
	}
	cmd.ValidArgsFunction = contextWords
	return cmd
}

func contextRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rm CONTEXT", Short: "Remove a context with its key from this machine", Args: cobra.ExactArgs(1),
		RunE: inFolder(func(_ *cobra.Command, folder contexts.Folder, args []string) error { return folder.Remove(args[0]) }),
	}
	cmd.ValidArgsFunction = contextWords
	return cmd
}

func contextAdd() *cobra.Command {
	var members, ca, cert, key string
	cmd := &cobra.Command{
		Use: "add CONTEXT", Short: "Make a context of a certificate that came another way than by 'fleetctl login'", Args: cobra.ExactArgs(1),
		RunE: inFolder(func(_ *cobra.Command, folder contexts.Folder, args []string) error {
			if _, err := authority.LoadClient(ca, cert, key); err != nil {
				return err
			}
			texts := map[string][]byte{}
			for _, path := range []string{ca, cert, key} {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				texts[path] = text
			}
			if err := folder.Save(args[0], contexts.Saved{Members: strings.Split(members, ","), CA: texts[ca], Cert: texts[cert], Key: texts[key]}); err != nil {
				return err
			}
			return folder.Use(args[0])
		}),
	}
	cmd.Flags().StringVar(&members, "members", "", "HOST:PORT of the members' APIs, with commas between")
	cmd.Flags().StringVar(&ca, "ca", "", "the cluster's authority, in PEM")
	cmd.Flags().StringVar(&cert, "cert", "", "the person's certificate, in PEM")
	cmd.Flags().StringVar(&key, "key", "", "the key of that certificate, in PEM")
	for _, flag := range []string{"members", "ca", "cert", "key"} {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // a flag that is not there is a fault of ours
		}
	}
	return cmd
}

// contextWords offers the contexts that there are.
func contextWords(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	folder, err := contexts.Default()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := folder.List()
	var words []cobra.Completion
	for _, name := range names {
		if strings.HasPrefix(name, typed) {
			words = append(words, name)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
