package fleetctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

func signUnits(s *session) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "sign UNIT...",
		Short: "Sign unit files and their drop-ins, with a key of ssh-keygen's",
		Long: `sign has ssh-keygen sign each unit's file and the drop-ins in its NAME.d, and writes each
signature beside the file that it is of, as FILE.sig. It asks no cluster. submit, load and
start send the signatures along.

The key is one of type ed25519, as 'ssh-keygen -t ed25519' makes it. Where FILE is its
public half, the ssh-agent that has the other one signs. A file is signed as the unit that
it is called after: a template for all its instances. The same by hand:

  ssh-keygen -Y sign -n argosy:web.service -f ~/.ssh/id_ed25519 web.service
  ssh-keygen -Y sign -n argosy:web.service.d/10-a.conf -f ~/.ssh/id_ed25519 web.service.d/10-a.conf`,
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // it asks no cluster
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Coded(cli.ExitUsage, fmt.Errorf("a unit's file is expected\nsee '%s --help'", cmd.CommandPath()))
			}
			s.out, s.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			with, err := signerWith(key)
			for _, arg := range args {
				if err == nil {
					err = s.signUnit(cmd.Context(), with, arg)
				}
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&key, "key", "~/.ssh/id_ed25519", "the private key's `FILE`, or the public one of a key that ssh-agent has")
	return cmd
}

// signer is ssh-keygen with a key: no key is ever in this process.
type signer struct{ program, key string }

func signerWith(key string) (signer, error) {
	if rest, home := strings.CutPrefix(key, "~/"); home {
		folder, err := os.UserHomeDir()
		if err != nil {
			return signer{}, fmt.Errorf("find --key: %w", err)
		}
		key = filepath.Join(folder, rest)
	}
	info, err := os.Stat(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return signer{}, fmt.Errorf("there is no key %s; 'ssh-keygen -t ed25519' makes one", key)
	case err != nil:
		return signer{}, fmt.Errorf("look at --key: %w", err)
	case !strings.HasSuffix(key, ".pub") && info.Mode().Perm()&0o077 != 0:
		return signer{}, fmt.Errorf("the key %s may be used by others: its mode is %04o; chmod 600 %s", key, info.Mode().Perm(), key)
	}
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		return signer{}, fmt.Errorf("ssh-keygen is needed, which is part of OpenSSH: %w", err)
	}
	return signer{program, key}, nil
}

// signUnit signs a unit's file and its drop-ins.
func (s *session) signUnit(ctx context.Context, with signer, arg string) error {
	path := withSuffix(arg)
	name, err := unitNamed(arg)
	if err != nil {
		return err
	}
	files := map[string]string{path: string(name)}
	dropIns := map[string]unitfile.NamedText{}
	if err := readDropIns(path+".d", dropIns); err != nil {
		return err
	}
	order := []string{path}
	for _, base := range slices.Sorted(maps.Keys(dropIns)) {
		at := dropIns[base].Name
		files[at], order = string(name)+".d/"+base, append(order, at)
	}
	for _, at := range order {
		if err := with.sign(ctx, at, files[at]); err != nil {
			return fmt.Errorf("sign %s: %w", at, err)
		}
		fmt.Fprintf(s.out, "Signed %s: %s\n", at, at+signatureSuffix)
	}
	return nil
}

// sign writes a file's signature beside it.
func (k signer) sign(ctx context.Context, path, as string) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, k.program, "-q", "-Y", "sign", "-n", signing.Namespace(as), "-f", k.key)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &said // it asks for a passphrase at the terminal
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, strings.TrimSpace(said.String()))
	}
	made, err := signing.Decode(out.String())
	if err == nil && (len(made) != 1 || made[0].File != as || !made[0].Of(text)) {
		err = errors.New("ssh-keygen has not signed what it was given")
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path+signatureSuffix, out.Bytes(), 0o644) //nolint:gosec // for everybody
}
