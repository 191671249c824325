package argosy

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fuzzed are the files that decode what comes from the network or from a user's file,
// with the fuzz target that feeds each of them: `make fuzz` runs them all.
var fuzzed = map[string]string{
	"core/access/facts.go":        "edge/httpapi FuzzVouch",
	"core/access/identity.go":     "core/access FuzzParse",
	"core/access/join.go":         "edge/join FuzzRequests",
	"core/access/token.go":        "edge/join FuzzRequests",
	"core/api/continue.go":        "core/api FuzzContinue",
	"core/cluster/names.go":       "core/cluster FuzzParseUnitName",
	"core/cluster/secret.go":      "core/cluster FuzzParseSecretName",
	"core/discovery/cluster.go":   "core/discovery FuzzAnswers",
	"core/discovery/request.go":   "core/discovery FuzzParse",
	"core/fleetv1/requests.go":    "core/fleetv1 FuzzParseChange",
	"core/fleetv1/token.go":       "core/fleetv1 FuzzParseToken",
	"core/keyspace/parse.go":      "core/keyspace FuzzParse",
	"core/signing/key.go":         "core/signing FuzzPolicy",
	"core/signing/policy.go":      "core/signing FuzzPolicy",
	"core/signing/signature.go":   "core/signing FuzzDecode",
	"core/unitfile/bundle.go":     "core/unitfile FuzzBundle",
	"core/unitfile/parse.go":      "core/unitfile FuzzParse",
	"edge/authority/files.go":     "edge/authority FuzzPEM",
	"edge/authority/request.go":   "edge/authority FuzzPapers",
	"edge/client/client.go":       "edge/client FuzzAnswers",
	"edge/client/through.go":      "edge/client FuzzAnswers",
	"edge/contexts/contexts.go":   "edge/contexts FuzzMembers",
	"edge/discovery/service.go":   "edge/discovery FuzzRequests",
	"edge/endpoint/connection.go": "edge/endpoint FuzzProtocol",
	"edge/etcdnode/file.go":       "edge/etcdnode FuzzFile",
	"edge/fleetv1/wire.go":        "edge/fleetv1 FuzzRequests",
	"edge/httpapi/caller.go":      "edge/httpapi FuzzVouch",
	"edge/httpapi/parse.go":       "edge/httpapi FuzzRequest",
	"edge/join/server.go":         "edge/join FuzzRequests",
	"edge/probe/probe.go":         "edge/probe FuzzIsAnswer",
	"edge/sealing/file.go":        "edge/sealing FuzzParse",
	"edge/store/facts.go":         "edge/store FuzzFact",
	"edge/v2keys/auth.go":         "edge/v2keys FuzzBodies",
	"edge/v2keys/limits.go":       "edge/v2keys FuzzRequests",
	"edge/v2keys/members.go":      "edge/v2keys FuzzBodies",
}

// vouched are the files that decode what nobody but us, or one of those who are the
// cluster anyway, has written, and who that is.
var vouched = map[string]string{
	"edge/endpoint/addresses.go":             "the command line of who starts the relay, and fleetd below /var/lib",
	"edge/authority/tls.go":                  "the machine's own certificate, which files.go has read",
	"edge/authority/succession.go":           "this machine's own folder, which files.go reads, and a key that members alone can seal",
	"edge/sealing/authority.go":              "a fact that members alone write",
	"edge/basetree/build.go":                 "what debootstrap says, shown to the user who began it",
	"edge/client/people.go":                  "a member's API, which showed its certificate, or this machine's own",
	"edge/client/watch.go":                   "a member's API, which showed its certificate, or this machine's own",
	"edge/discovery/store.go":                "the store that the service was given",
	"edge/etcdnode/etcdtest/certificates.go": "a test's",
	"edge/etcdnode/gateway.go":               "etcd's own calls as JSON, which grpc-gateway decodes",
	"edge/etcdnode/peers.go":                 "a member, which showed a certificate of the members' authority",
	"edge/etcdnode/register.go":              "facts that members alone write",
	"edge/etcdnode/settings.go":              "the command line of who starts etcd",
	"edge/etcdnode/stats.go":                 "this process's own etcd",
	"edge/host/host.go":                      "the kernel",
	"edge/join/client.go":                    "a member that has shown the authority of the pin; edge/authority FuzzPapers feeds what checks it",
	"edge/nspawn/machine.go":                 "argosy itself, about machines that it made",
	"edge/systemd/records.go":                "fleetd itself, below /run/fleet",
	"edge/v2keys/cluster.go":                 "the sequencer's own records",
	"edge/v2keys/mail.go":                    "the sequencer's own records",
	"edge/v2keys/records.go":                 "the sequencer's own records",
	"edge/v2keys/security.go":                "the sequencer's own records",
	"edge/v2keys/snapshot.go":                "the sequencer's own records",
	"cli/etcd/proxy.go":                      "the members' own answer about themselves",
	"cli/fleetctl/label.go":                  "yes or no, from who types it",
	"cli/local/lab/chaos.go":                 "argosy itself, about faults that it made",
	"cli/local/lab/cluster.go":               "argosy itself, about a cluster that it made",
	"cli/setup/files.go":                     "argosy itself, about a join that was interrupted",
}

// decodes are the calls that take bytes apart, as PACKAGE.FUNCTION or .METHOD.
var decodes = regexp.MustCompile(`^(json\.(Unmarshal|NewDecoder)|yaml\.(Unmarshal|NewDecoder)|xml\..*|gob\..*|csv\..*|pem\.Decode|x509\.Parse.*|` +
	`url\.ParseQuery|icmp\.ParseMessage|http\.Read.*|bufio\.New(Scanner|Reader)|fmt\.[FS]?scan.*|tar\..*|gzip\.NewReader|zip\..*|protojson\.UnmarshalOptions|.*\.(ParseForm|ParseMultipartForm|DecodeString))$`)

// parsers are functions of ours that do.
var parsers = regexp.MustCompile(`^Parse`)

// TestDecodersAreFuzzed holds both lists: a file that begins to decode something is in
// one of them, and a target that is named exists.
func TestDecodersAreFuzzed(t *testing.T) {
	decoding, targets := map[string]bool{}, map[string]bool{}
	eachFile(t, func(path string, _ *token.FileSet, file *ast.File) {
		path = filepath.ToSlash(path)
		if strings.HasSuffix(path, "_test.go") {
			for _, d := range file.Decls {
				if f, is := d.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Fuzz") {
					targets[filepath.ToSlash(filepath.Dir(path))+" "+f.Name.Name] = true
				}
			}
			return
		}
		layer := layers[filepath.ToSlash(filepath.Dir(path))]
		if layer == "test" || layer == "" || !decodesSomething(file) {
			return
		}
		decoding[path] = true
		if (fuzzed[path] == "") == (vouched[path] == "") {
			t.Errorf("%s takes apart what somebody wrote: name the fuzz target that feeds it in decoders_test.go, or who alone can have written it", path)
		}
	})
	for path, target := range fuzzed {
		if !targets[target] {
			t.Errorf("decoders_test.go: %s is fed by %s, which does not exist", path, target)
		}
	}
	for _, list := range []map[string]string{fuzzed, vouched} {
		for path := range list {
			if !decoding[path] {
				t.Errorf("decoders_test.go lists %s, which decodes nothing", path)
			}
		}
	}
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for target := range targets { // `make fuzz` looks in these folders
		if folder, _, _ := strings.Cut(target, "/"); !strings.Contains(string(text), "--include='*_test.go' core edge cli") || folder != "core" && folder != "edge" && folder != "cli" {
			t.Errorf("`make fuzz` does not find %s", target)
		}
	}
}

// decodesSomething says whether a file calls a decoder, or is one.
func decodesSomething(file *ast.File) (does bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			does = does || parsers.MatchString(n.Name.Name)
		case *ast.SelectorExpr:
			from := ""
			if x, is := n.X.(*ast.Ident); is {
				from = x.Name
			}
			does = does || decodes.MatchString(from+"."+n.Sel.Name)
		}
		return true
	})
	return does
}
