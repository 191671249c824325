package systemd

import (
	"os"
	"path/filepath"
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

const fencedText = "[Service]\nExecStart=/bin/true\n[X-Fleet]\nOnPartition=stop\n"

// TestFencedUnitsAreBound: the drop-in comes with the text that asks for it and
// goes with it, for Quadlet files at the service that is made of them.
func TestFencedUnitsAreBound(t *testing.T) {
	for unit, service := range map[cluster.UnitName]string{
		"db.service": "db.service", "db@1.service": "db@1.service", "db.container": "db.service",
	} {
		files, folders := testFiles(t)
		dropIn := filepath.Join(folders.Links, service+".d", fenceDropIn)
		own := unitfile.DropIn{Name: "10-own.conf", Text: "[Service]\nNice=1\n"}
		content := unitfile.Bundle{Text: fencedText, DropIns: []unitfile.DropIn{own}}.Content()
		if err := files.Write(unit, content); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(dropIn); err != nil || string(text) != folders.fenceText() || !files.Fenced(unit) {
			t.Errorf("%s: systemd reads %q, %v", unit, text, err)
		}
		if found, err := files.List(); err != nil || found[unit] != cluster.HashOf(content) {
			t.Errorf("%s: listed %v, %v", unit, found, err)
		}
		if err := files.SaveToken(unit, 42); err != nil {
			t.Error(err)
		}
		token := filepath.Join(folders.Tokens, service)
		if text, err := os.ReadFile(token); err != nil || string(text) != "FLEET_FENCING_TOKEN=42\n" {
			t.Errorf("%s: the token is %q, %v", unit, text, err)
		}
		if err := files.Remove(unit); err != nil {
			t.Error(err)
		}
		for _, gone := range []string{filepath.Dir(dropIn), folders.link(unit) + ".d", token} {
			if _, err := os.Lstat(gone); err == nil {
				t.Errorf("%s: %s is left behind", unit, gone)
			}
		}
	}
}

// TestFenceFollowsTheText: a text with another word takes the drop-in away, and a
// drop-in that is missing or too much shows in the list.
func TestFenceFollowsTheText(t *testing.T) {
	files, folders := testFiles(t)
	const kept = "[Service]\nExecStart=/bin/true\n[X-Fleet]\nOnPartition=keep\n"
	for _, text := range []string{fencedText, kept, fencedText} {
		if err := files.Write("db.service", text); err != nil || files.Fenced("db.service") != (text == fencedText) {
			t.Errorf("%q: %v, fenced: %v", text, err, files.Fenced("db.service"))
		}
	}
	if err := os.Remove(files.fence("db.service").link); err != nil {
		t.Fatal(err)
	}
	if found, err := files.List(); err != nil || found["db.service"] != "" {
		t.Errorf("without its drop-in: listed %v, %v; expected no hash", found, err)
	}
	put(t, folders.Fence, "")
	if err := files.Write("web.service", kept); err != nil {
		t.Fatal(err)
	}
	if err := files.fence("web.service").tie(); err != nil {
		t.Fatal(err)
	}
	if found, err := files.List(); err != nil || found["web.service"] != "" {
		t.Errorf("with a drop-in too much: listed %v, %v; expected no hash", found, err)
	}
}

// TestUnfenceableTextsAreNotWritten: what was stored before anybody refused it.
func TestUnfenceableTextsAreNotWritten(t *testing.T) {
	files, _ := testFiles(t)
	const want = "write db.service: db.service:2: OnPartition=stop cannot end what docker run starts: it runs outside of the unit's own control group" +
		"; expected Podman, as podman run --cgroups=split or as a .container file"
	err := files.Write("db.service", "[Service]\nExecStart=/usr/bin/docker run db\n[X-Fleet]\nOnPartition=stop\n")
	if err == nil || err.Error() != want {
		t.Errorf("%v; expected %s", err, want)
	}
	if found, err := files.List(); err != nil || len(found) != 0 {
		t.Errorf("listed %v, %v", found, err)
	}
}
