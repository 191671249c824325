package fleetctl

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/api"
	"argosy/core/cluster"
)

// unhurried is how long a shell waits for names. Without an answer by then there
// are none: a completion has no way to complain.
const unhurried = time.Second

// offered is how many names a shell is given to choose from. Who has more is
// expected to type on.
const offered = 300

// completer is cobra's function that offers words for what is being typed.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

// complete gives a verb the names of units to offer: those that fit it, without
// those that have been typed already.
func (s *session) complete(verb *cobra.Command, fits func(api.Unit) bool) {
	verb.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if verb.Args != nil && verb.Args(cmd, append(args, typed)) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.unitWords(cmd, args, typed, fits), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFiles is complete for verbs that take files too.
func (s *session) completeFiles(verb *cobra.Command, fits func(api.Unit) bool) {
	verb.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		words := s.unitWords(cmd, args, typed, fits)
		for _, path := range unitFiles(typed) {
			if !slices.Contains(args, path) {
				words = append(words, cobra.CompletionWithDesc(path, "a file"))
			}
		}
		return words, cobra.ShellCompDirectiveDefault // where there is nothing, the shell offers folders
	}
}

// What fits the verbs.
func anyUnit(api.Unit) bool           { return true }
func noTemplate(u api.Unit) bool      { return !u.Name.IsTemplate() }
func wantedSomewhere(u api.Unit) bool { return u.Desired != cluster.Inactive }

func (s *session) unitWords(cmd *cobra.Command, args []string, typed string, fits func(api.Unit) bool) []cobra.Completion {
	var words []cobra.Completion
	s.silently(cmd, func(ctx context.Context) error {
		answer, err := s.UnitsBeginning(ctx, api.Beginning{Prefix: typed, Most: offered})
		for _, unit := range answer.Units {
			if name := string(unit.Name); fits(unit) && !slices.Contains(args, name) {
				words = append(words, cobra.CompletionWithDesc(name, string(unit.Outcome)))
			}
		}
		return err
	})
	return words
}

// machineWords offers the machines by hostname. Those that fit by their id only
// are of no use to a shell.
func (s *session) machineWords(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []cobra.Completion
	s.silently(cmd, func(ctx context.Context) error {
		answer, err := s.MachinesBeginning(ctx, api.Beginning{Prefix: typed, Most: offered})
		for _, m := range answer.Machines {
			if strings.HasPrefix(m.Name, typed) {
				words = append(words, cobra.CompletionWithDesc(m.Name, machineAt(m.ID, m.IP, false)))
			}
		}
		return err
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}

// silently asks the cluster for words. Flags have only now been read: the client
// is made of them here. An error offers nothing, as BASH_COMP_DEBUG_FILE tells.
func (s *session) silently(cmd *cobra.Command, ask func(context.Context) error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), unhurried)
	defer cancel()
	s.secure.silent = true
	err := s.open(cmd)
	if err == nil {
		defer s.close()
		err = ask(ctx)
	}
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
	}
}

// unitFiles are the unit files whose path begins with what has been typed.
func unitFiles(typed string) []string {
	folder, beginning := filepath.Split(typed)
	entries, err := os.ReadDir(filepath.Clean(folder))
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		_, err := cluster.ParseUnitName(entry.Name())
		if err == nil && !entry.IsDir() && strings.HasPrefix(entry.Name(), beginning) {
			paths = append(paths, folder+entry.Name())
		}
	}
	return paths
}

// words offers a fixed choice.
func words(choice ...string) completer {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return choice, cobra.ShellCompDirectiveNoFileComp
	}
}

// list offers a choice behind each comma.
func list(choice []string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		chosen := strings.Split(before, ",")
		var rest []cobra.Completion
		for _, word := range choice {
			if !slices.Contains(chosen, word) {
				rest = append(rest, before+word)
			}
		}
		return rest, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// offer has the shell complete a flag's value. A flag that is not there is a
// fault of ours.
func offer(cmd *cobra.Command, flag string, from completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, from); err != nil {
		panic(err)
	}
}
