package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/converge"
)

func testFiles(t *testing.T) (*Files, Folders) {
	base := t.TempDir()
	folders := Folders{Units: filepath.Join(base, "units"), Links: filepath.Join(base, "system"),
		Started: filepath.Join(base, "started"), Lease: filepath.Join(base, "lease")}
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
	_, err := m.Enqueue(t.Context(), converge.StartJob, "web.service")
	if err == nil || !strings.Contains(err.Error(), "start web.service: systemd cannot be reached") {
		t.Errorf("error %v", err)
	}
}
