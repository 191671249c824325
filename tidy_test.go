// Package argosy holds no code, only the test that keeps the layers apart.
package argosy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// layers lists every package of the module with its layer. A package that is
// not here fails the test, so the map in ARCHITECTURE.md cannot go stale.
var layers = map[string]string{
	"cli":                       "cli",
	"cli/etcd":                  "cli",
	"cli/fleetctl":              "cli",
	"cli/fleetd":                "cli",
	"cli/local":                 "cli",
	"cli/local/lab":             "cli",
	"cli/setup":                 "cli",
	"cmd/argosy":                "cmd",
	"core/access":               "core",
	"core/api":                  "core",
	"core/cluster":              "core",
	"core/converge":             "core",
	"core/detect":               "core",
	"core/discovery":            "core",
	"core/fleetv1":              "core",
	"core/keyspace":             "core",
	"core/schedule":             "core",
	"core/signing":              "core",
	"core/signing/signingtest":  "core",
	"core/unitfile":             "core",
	"core/v2auth":               "core",
	"edge/authority":            "edge",
	"edge/basetree":             "edge",
	"edge/client":               "edge",
	"edge/contexts":             "edge",
	"edge/crowd":                "edge",
	"edge/discovery":            "edge",
	"edge/endpoint":             "edge",
	"edge/etcdnode":             "edge",
	"edge/etcdnode/clustertest": "edge",
	"edge/etcdnode/etcdtest":    "edge",
	"edge/fakesystemd":          "edge",
	"edge/fence":                "edge",
	"edge/fleetconf":            "edge",
	"edge/fleetv1":              "edge",
	"edge/host":                 "edge",
	"edge/httpapi":              "edge",
	"edge/join":                 "edge",
	"edge/localnet":             "edge",
	"edge/memstore":             "edge",
	"edge/nspawn":               "edge",
	"edge/probe":                "edge",
	"edge/sealing":              "edge",
	"edge/store":                "edge",
	"edge/store/storetest":      "edge",
	"edge/systemd":              "edge",
	"edge/systemd/systemdtest":  "edge",
	"edge/v2keys":               "edge",
	"examples":                  "files",
	"os/units":                  "files",
	"role/agent":                "role",
	"role/daemon":               "daemon",
	"role/detector":             "role",
	"role/engine":               "role",
	"role/registrar":            "role",
	"role/registry":             "role",
	"role/runtime":              "runtime",
	"role/runtime/runtimetest":  "runtime",
	"test/attack":               "test",
	"test/bench":                "test",
	"test/chaos":                "test",
	"test/discovery":            "test",
	"test/e2e":                  "test",
	"test/fleetclient":          "test",
	"test/scale":                "test",
	"test/sim":                  "test",
	"test/sim/laws":             "test",
	"test/sim/stage":            "test",
	"test/v2cluster":            "test",
	"test/v2diff":               "test",
}

// below says which layers a layer may import.
var below = map[string]string{
	"cmd":     "cli daemon role edge core files",
	"cli":     "cli edge core files daemon",
	"daemon":  "role runtime edge core",
	"role":    "role runtime core",
	"runtime": "runtime",
	"edge":    "runtime core files",
	"core":    "core",
	"test":    "cli daemon role runtime edge core files test",
	"files":   "",
}

// forbidden in core: it decides from values alone.
var forbidden = regexp.MustCompile(`^(os|os/.*|net|net/.*|log|log/.*|math/rand.*|sync|sync/.*|context|io/ioutil)$`)

var clock = map[string]bool{"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "Tick": true, "NewTimer": true, "NewTicker": true, "AfterFunc": true}

func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			return
		}
		layer, listed := layers[pkg]
		if !listed {
			t.Errorf("%s: package %s is in no layer: list it in tidy_test.go and in ARCHITECTURE.md", path, pkg)
			return
		}
		seen[pkg] = true
		isTest := strings.HasSuffix(path, "_test.go")
		for _, imp := range file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			where := fset.Position(imp.Pos())
			if layer == "core" && !isTest && forbidden.MatchString(name) {
				t.Errorf("%s: core decides from values and may not import %q", where, name)
			}
			inner, ours := strings.CutPrefix(name, "argosy/")
			if !ours || isTest {
				continue
			}
			to := layers[inner]
			if !strings.Contains(" "+below[layer]+" ", " "+to+" ") {
				t.Errorf("%s: %s (%s) may not import %s (%s)", where, pkg, layer, inner, to)
			}
		}
		if layer == "core" && !isTest {
			checkCore(t, fset, file)
		}
	})
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layers {
		if !seen[pkg] {
			t.Errorf("tidy_test.go lists %s, which has no Go file", pkg)
		}
		if !strings.Contains(string(page), "`"+pkg+"`") {
			t.Errorf("ARCHITECTURE.md does not say what %s is for", pkg)
		}
	}
}

// checkCore refuses goroutines and clocks.
func checkCore(t *testing.T, fset *token.FileSet, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: core starts no goroutine", fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && clock[n.Sel.Name] {
				t.Errorf("%s: core is told the time; it may not call time.%s", fset.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}

// native is what no package uses that stands on role/runtime: the simulator knows
// nothing of it.
var native = map[string]string{
	"time":    " Now Since Until Sleep After Tick NewTimer NewTicker AfterFunc ",
	"context": " WithCancel WithCancelCause WithTimeout WithTimeoutCause WithDeadline WithDeadlineCause AfterFunc ",
	"sync":    " WaitGroup Cond ",
}

// TestLoopsWaitOnTheRuntime holds packages that import role/runtime to it alone.
func TestLoopsWaitOnTheRuntime(t *testing.T) {
	files, on := map[string][]func(){}, map[string]bool{}
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") || layers[pkg] != "role" && layers[pkg] != "edge" {
			return
		}
		for _, imp := range file.Imports {
			on[pkg] = on[pkg] || imp.Path.Value == `"argosy/role/runtime"`
		}
		files[pkg] = append(files[pkg], func() { checkLoop(t, fset, file) })
	})
	for pkg, checks := range files {
		for _, check := range checks {
			if on[pkg] {
				check()
			}
		}
	}
}

// checkLoop refuses goroutines, channels, clocks and contexts of Go's own.
func checkLoop(t *testing.T, fset *token.FileSet, file *ast.File) {
	refuse := func(n ast.Node, what string) {
		t.Errorf("%s: what stands on role/runtime uses no %s", fset.Position(n.Pos()), what)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			refuse(n, "go statement: see runtime.Group")
		case *ast.ChanType, *ast.SelectStmt:
			refuse(n, "channel: see runtime.Mailbox")
		case *ast.SelectorExpr:
			if x, is := n.X.(*ast.Ident); is && strings.Contains(native[x.Name], " "+n.Sel.Name+" ") {
				refuse(n, x.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
}

// TestNames refuses the package names that say nothing.
func TestNames(t *testing.T) {
	vague := regexp.MustCompile(`(^|/)(util|utils|common|helper|helpers|types|misc|pkg)$`)
	for pkg := range layers {
		if vague.MatchString(pkg) {
			t.Errorf("package %s: the name says nothing about what it is for", pkg)
		}
	}
}

// named finds the files that a document names in backquotes or links.
var named = regexp.MustCompile("`((?:core|edge|role|cli|cmd|test|os|docs|examples)/[A-Za-z0-9_./@-]+)`|\\]\\(((?:\\.\\./)*[A-Za-z0-9_./-]+\\.md)\\)")

// TestDocumentsNameWhatExists checks that each path in the documents is there.
func TestDocumentsNameWhatExists(t *testing.T) {
	var docs []string
	_ = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") && !strings.HasPrefix(path, "build") {
			docs = append(docs, path)
		}
		return err
	})
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			path := m[1]
			if path == "" {
				path = filepath.Join(filepath.Dir(doc), m[2])
			}
			if _, err := os.Stat(strings.TrimSuffix(path, "/")); err != nil {
				t.Errorf("%s names %s, which does not exist", doc, path)
			}
		}
	}
}

func eachFile(t *testing.T, visit func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "build" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(path, fset, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
