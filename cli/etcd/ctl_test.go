package etcd

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"argosy/edge/etcdnode/etcdtest"
)

// asCommand makes this test's binary etcdctl or etcdutl, for both end their process.
const asCommand = "ETCD_TEST_COMMAND"

func TestMain(m *testing.M) {
	commands := map[string]func() *cobra.Command{"etcdctl": CtlCommand, "etcdutl": UtlCommand}
	build, asked := commands[os.Getenv(asCommand)]
	if !asked {
		os.Exit(m.Run())
	}
	if err := build().Execute(); err != nil {
		os.Exit(1)
	}
}

func TestEtcdsOwnCommands(t *testing.T) {
	endpoint := etcdtest.Start(t)[0]
	for _, test := range []struct {
		line, want string
		fails      bool
	}{
		{"etcdctl version", "etcdctl version: 3.7", false},
		{"etcdctl put /a b", "OK", false},
		{"etcdctl get /a", "/a\nb", false},
		{"etcdctl ge /a", "/a\nb", false}, // etcdctl may be shortened
		{"etcdctl get /a -w json", `"value":"Yg=="`, false},
		{"etcdctl nonsense", "unknown command", true},
		{"etcdctl get", "needs one argument", true},
		{"etcdutl version", "etcdutl version: 3.7", false},
		{"etcdutl hashkv /nowhere", "no such file", true},
		{"etcdutl --nonsense", "unknown flag", true},
	} {
		words := strings.Fields(test.line)
		command := exec.CommandContext(t.Context(), os.Args[0], words[1:]...)
		command.Env = []string{asCommand + "=" + words[0], "ETCDCTL_ENDPOINTS=" + endpoint}
		out, err := command.CombinedOutput()
		if (err != nil) != test.fails || !strings.Contains(string(out), test.want) {
			t.Errorf("%s: %v\n%s", test.line, err, out)
		}
	}
	if cobra.EnablePrefixMatching {
		t.Error("other commands may be shortened, too")
	}
}
