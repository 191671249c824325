package systemd

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/unitfile"
)

func testFiles(t *testing.T) (*Files, Folders) {
	base := t.TempDir()
	folders := Folders{Units: filepath.Join(base, "units"), Links: filepath.Join(base, "system"),
		Quadlets: filepath.Join(base, "quadlets"), Started: filepath.Join(base, "started"), Lease: filepath.Join(base, "lease"),
		Fence: filepath.Join(base, "fence", "unit.conf"), Tokens: filepath.Join(base, "fence", "tokens"),
		Signatures: filepath.Join(base, "signatures"), Secrets: filepath.Join(base, "secrets"), Credentials: filepath.Join(base, "credentials")}
	return NewFiles(folders), folders
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWriteLinksAndListsWithHash(t *testing.T) {
	files, folders := testFiles(t)
	long := cluster.UnitName(strings.Repeat("x", cluster.MaxUnitNameBytes-len(".service")) + ".service")
	for _, unit := range []cluster.UnitName{"web.service", "web@1.service", long} {
		for _, text := range []string{"one", "two"} {
			if err := files.Write(unit, text); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(folders.Links, string(unit))); err != nil || string(got) != text {
				t.Errorf("systemd reads %q, %v from %s, expected %q", got, err, unit, text)
			}
		}
	}
	found, err := files.List()
	if err != nil || len(found) != 3 || found["web.service"] != cluster.HashOf("two") {
		t.Errorf("listed %v, %v", found, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folders.Units, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSignaturesStay: what was written can be judged again, and nothing of it stays
// when it is gone.
func TestSignaturesStay(t *testing.T) {
	files, folders := testFiles(t)
	unit := unitfile.Bundle{Text: "[Service]\nExecStart=x\n", Signatures: "signed"}
	with := unitfile.Bundle{Text: unit.Text, Signatures: "both signed", DropIns: []unitfile.DropIn{{Name: "a.conf", Text: "[Service]\n"}}}
	for _, bundle := range []unitfile.Bundle{unit, with, {Text: unit.Text}, unit} {
		if err := files.Write("web.service", bundle.Content()); err != nil {
			t.Fatal(err)
		}
		found, err := files.List()
		if err != nil || found["web.service"] != cluster.HashOf(bundle.Content()) {
			t.Errorf("listed %v, %v", found, err)
		}
		if got, err := files.Read("web.service"); err != nil || got != bundle.Content() {
			t.Errorf("read %q, %v, want %q", got, err, bundle.Content())
		}
	}
	put(t, folders.signatures("web.service"), "another")
	if found, err := files.List(); err != nil || found["web.service"] == cluster.HashOf(unit.Content()) {
		t.Errorf("another signature is listed as %v, %v", found, err)
	}
	if err := files.Remove("web.service"); err != nil || len(namesIn(folders.Signatures)) > 0 {
		t.Errorf("%v left behind, %v", namesIn(folders.Signatures), err)
	}
	if _, err := files.Read("web.service"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read what is gone: %v", err)
	}
}

func TestForeignFilesStay(t *testing.T) {
	files, folders := testFiles(t)
	foreign := filepath.Join(folders.Links, "web.service")
	put(t, foreign, "theirs")
	if err := files.Write("web.service", "ours"); err == nil || !strings.Contains(err.Error(), foreign) {
		t.Errorf("write over a foreign file: %v, expected an error that names it", err)
	}
	if err := files.Remove("web.service"); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(foreign); string(got) != "theirs" {
		t.Errorf("the foreign file says %q", got)
	}
	if found, err := files.List(); err != nil || len(found) != 0 {
		t.Errorf("listed %v, %v, expected nothing", found, err)
	}
}

func TestATextWithoutLinkIsIncomplete(t *testing.T) {
	files, folders := testFiles(t)
	if err := files.Write("web.service", "ours"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(folders.link("web.service")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(folders.Units, ".new-123"), "half")
	put(t, filepath.Join(folders.Units, "README"), "no unit")
	found, err := files.List()
	if hash, there := found["web.service"]; err != nil || len(found) != 1 || !there || hash != "" {
		t.Errorf("listed %v, %v, expected web.service without a hash", found, err)
	}
}

func TestBadRecordsAndLeasesAreNamed(t *testing.T) {
	files, folders := testFiles(t)
	good := converge.Record{Unit: "good.service", Generation: 1, Boot: "b"}
	if err := files.Record(good); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(folders.Started, "bad.service"), `{"generation":"x"`)
	put(t, filepath.Join(folders.Started, ".new-1"), "half")
	found, err := files.Records()
	if len(found) != 1 || found[0] != good || err == nil || !strings.Contains(err.Error(), "bad.service") {
		t.Errorf("records %v, %v", found, err)
	}
	if lease, err := files.Lease(); lease != 0 || err != nil {
		t.Errorf("no lease reads as %d, %v", lease, err)
	}
	if err := files.SaveLease(7587880); err != nil {
		t.Fatal(err)
	}
	if lease, err := files.Lease(); lease != 7587880 || err != nil {
		t.Errorf("the lease reads as %d, %v", lease, err)
	}
	for _, bad := range []string{"", "x", "-4", "0", "99999999999999999999"} {
		put(t, folders.Lease, bad)
		if lease, err := files.Lease(); lease != 0 || err == nil || !strings.Contains(err.Error(), folders.Lease) {
			t.Errorf("the lease %q reads as %d, %v", bad, lease, err)
		}
	}
	if err := files.ForgetLease(); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for _, bad := range []Options{{Lines: -1}, {Lines: MostLines + 1}, {Output: "html"}, {Output: "short --rotate"}, {Lines: -1, Output: "x"}} {
		if bad.Valid() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
	for want, options := range map[string]Options{
		"--no-pager --output=json --unit=-x.service --lines=10 --follow":          {Lines: 10, Follow: true, Output: "json"},
		"--no-pager --output=short --unit=-x.service --after-cursor=s=1; i=2 --x": {Lines: 10, After: "s=1; i=2 --x"},
	} {
		if got := strings.Join(options.arguments("-x.service"), " "); got != want {
			t.Errorf("arguments %s, expected %s", got, want)
		}
	}
	m := NewManager("/nowhere", DefaultFolders())
	if err := m.Journal(t.Context(), "x; reboot", Options{}, nil); err == nil {
		t.Error("a journal of a bad name was read")
	}
	if _, _, err := m.Status(t.Context(), "--help"); err == nil {
		t.Error("a status of a bad name was asked for")
	}
}

func TestJobsWithoutConnectionSayWhy(t *testing.T) {
	m := NewManager(filepath.Join(t.TempDir(), "none"), DefaultFolders())
	err := m.Enqueue(t.Context(), converge.StartJob, "web.service", func(converge.Outcome) { t.Error("a refused job has ended") })
	if err == nil || !strings.Contains(err.Error(), "start web.service: systemd cannot be reached") {
		t.Errorf("error %v", err)
	}
}

// tree lists all files and links below a folder, with what a reader finds there.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, folder+"/")] = string(text)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func with(text string, dropIns ...string) string {
	b := unitfile.Bundle{Text: text}
	for i := 0; i < len(dropIns); i += 2 {
		b.DropIns = append(b.DropIns, unitfile.DropIn{Name: dropIns[i], Text: dropIns[i+1]})
	}
	return b.Content()
}

func TestDropInsComeAndGo(t *testing.T) {
	for unit, place := range map[cluster.UnitName]func(Folders) string{
		"web@1.service": func(f Folders) string { return f.Links },
		"web.container": func(f Folders) string { return f.Quadlets },
	} {
		files, folders := testFiles(t)
		folder := string(unit) + ".d/"
		for _, c := range []struct {
			content string
			want    map[string]string
		}{
			{with("one", "10-a.conf", "a", "20-b.conf", ""), map[string]string{string(unit): "one", folder + "10-a.conf": "a", folder + "20-b.conf": ""}},
			{with("one", "10-a.conf", "A", "30-c.conf", "c"), map[string]string{string(unit): "one", folder + "10-a.conf": "A", folder + "30-c.conf": "c"}},
			{"two", map[string]string{string(unit): "two"}},
			{with("two", "10-a.conf", "a"), map[string]string{string(unit): "two", folder + "10-a.conf": "a"}},
		} {
			if err := files.Write(unit, c.content); err != nil {
				t.Fatal(err)
			}
			if got := tree(t, place(folders)); !maps.Equal(got, c.want) {
				t.Errorf("%q is looked for and found as %v", c.content, got)
			}
			if found, err := files.List(); err != nil || len(found) != 1 || found[unit] != cluster.HashOf(c.content) {
				t.Errorf("%q is listed as %v, %v", c.content, found, err)
			}
		}
		if err := files.Remove(unit); err != nil {
			t.Fatal(err)
		}
		if left := append(namesIn(place(folders)), namesIn(folders.Units)...); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestForeignDropInsStay(t *testing.T) {
	files, folders := testFiles(t)
	foreign := filepath.Join(folders.Links, "web.service.d", "50-theirs.conf")
	put(t, foreign, "theirs")
	if err := files.Write("web.service", with("ours", "10-a.conf", "a")); err != nil {
		t.Fatal(err)
	}
	if err := files.Write("web.service", with("ours", "50-theirs.conf", "a")); err == nil || !strings.Contains(err.Error(), foreign+" exists and is not fleet's") {
		t.Errorf("write over a foreign drop-in: %v", err)
	}
	if err := files.Remove("web.service"); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, folders.Links); !maps.Equal(got, map[string]string{"web.service.d/50-theirs.conf": "theirs"}) {
		t.Errorf("left: %v", got)
	}
}

func TestIncompleteDropIns(t *testing.T) {
	files, folders := testFiles(t)
	content := with("ours", "10-a.conf", "a")
	for what, spoil := range map[string]func() error{
		"a link is missing":  func() error { return os.Remove(filepath.Join(folders.Links, "web.service.d/10-a.conf")) },
		"a drop-in too many": func() error { return os.WriteFile(filepath.Join(folders.Units, "web.service.d/.new-1"), nil, 0o600) },
		"a drop-in too few":  func() error { return os.Remove(filepath.Join(folders.Units, "web.service.d/10-a.conf")) },
		"a drop-in of others": func() error {
			return os.WriteFile(filepath.Join(folders.Units, "web.service.d/10-a.conf"), []byte("b"), 0o600)
		},
	} {
		if err := errors.Join(files.Write("web.service", content), spoil()); err != nil {
			t.Fatal(err)
		}
		if found, err := files.List(); err != nil || found["web.service"] == cluster.HashOf(content) {
			t.Errorf("%s: listed as %v, %v", what, found, err)
		}
	}
	if err := files.Write("web.service", "fleet-bundle=1\nunit 7 bytes\n"); err == nil || !strings.HasPrefix(err.Error(), "write web.service: read a bundle at byte 15:") {
		t.Errorf("a broken bundle: %v", err)
	}
}
