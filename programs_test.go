package argosy

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// runs are the files that run other programs, with what keeps what a user or another
// machine has written from being read as anything but one argument. The daemons'
// come first. A file that is not here may run none.
var runs = map[string]string{
	"edge/systemd/commands.go": "journalctl and systemctl with an argument vector: the unit's name has passed cluster.ParseUnitName, the format is one of a list, the count a number, the cursor behind an =",
	"edge/systemd/quadlet.go":  "only looks at how the generator ended: commands.go runs it, with a constant argument",
	"edge/host/podman.go":      "podman --version, no other argument",
	"cli/etcd/mux.go":          "becomes this very binary again, with its own arguments",

	"cli/fleetctl/openssh.go":    "ssh on the user's own machine: hosts stand behind --, what becomes its ProxyCommand is quoted",
	"cli/fleetctl/sign.go":       "ssh-keygen on the user's own machine: the unit's name has passed cluster.ParseUnitName and stands behind argosy:, the drop-in's CheckDropInName, the key's file is behind -f",
	"cli/fleetctl/ssh.go":        "only looks at how ssh ended",
	"cli/fleetctl/tunnel.go":     "only holds the ssh that openssh.go made",
	"cli/local/lab/preflight.go": "modprobe of modules from a constant list",
	"cli/local/lab/ssh.go":       "becomes ssh to a machine of the plan, for the user who typed the line",
	"edge/basetree/build.go":     "debootstrap and chroot with the recipe's constants and the user's own mirror",
	"edge/localnet/bridge.go":    "ip and nft with addresses and names of the plan",
	"edge/nspawn/run.go":         "nsenter into a machine of the plan, for the local cluster's own questions",
	"edge/nspawn/stage.go":       "this binary again, and systemd-nspawn with the plan's names",
}

// shells read text as commands.
var shells = regexp.MustCompile(`^(/usr)?(/bin/)?(env|ba|da|z)?sh$|^-c$`)

// TestNobodyRunsAShell holds the list of files that run programs, and that none of
// them runs a shell.
func TestNobodyRunsAShell(t *testing.T) {
	running := map[string]bool{}
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		path = filepath.ToSlash(path)
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") || !runsPrograms(file) {
			return
		}
		running[path] = true
		if runs[path] == "" {
			t.Errorf("%s runs programs: say in programs_test.go why what users write cannot become a command", path)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, is := n.(*ast.BasicLit)
			if !is || literal.Kind != token.STRING {
				return true
			}
			if word, _ := strconv.Unquote(literal.Value); shells.MatchString(word) {
				t.Errorf("%s: %q: no shell stands between us and a program", fset.Position(n.Pos()), word)
			}
			return true
		})
	})
	for path := range runs {
		if !running[path] {
			t.Errorf("programs_test.go lists %s, which runs no program", path)
		}
	}
}

// runsPrograms says whether a file can start a program or become one.
func runsPrograms(file *ast.File) (can bool) {
	for _, imp := range file.Imports {
		can = can || imp.Path.Value == `"os/exec"`
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, is := n.(*ast.SelectorExpr); is {
			from, _ := call.X.(*ast.Ident)
			switch call.Sel.Name {
			case "StartProcess", "Exec", "ForkExec":
				can = can || from != nil && (from.Name == "os" || from.Name == "syscall" || from.Name == "unix")
			}
		}
		return true
	})
	return can
}
