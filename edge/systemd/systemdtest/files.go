package systemdtest

import (
	"slices"
	"testing"

	"argosy/core/cluster"
	"argosy/core/converge"
)

func files(t *testing.T, w *watched) {
	unit := w.unit("contra-file.service", sleeps)
	if hash := list(t, w)[unit]; hash != cluster.HashOf(sleeps) {
		t.Errorf("listed with the hash %q", hash)
	}
	if err := w.Write(unit, ends); err != nil {
		t.Fatal(err)
	}
	if hash := list(t, w)[unit]; hash != cluster.HashOf(ends) {
		t.Errorf("listed with the hash %q after it was replaced", hash)
	}
	if content, err := w.Read(unit); err != nil || content != ends {
		t.Errorf("read %q, %v after it was replaced", content, err)
	}
	if err := w.Remove(unit); err != nil {
		t.Fatal(err)
	}
	if content, err := w.Read(unit); err == nil {
		t.Errorf("read %q after it was removed", content)
	}
	if hash, there := list(t, w)[unit]; there {
		t.Errorf("listed with the hash %q after it was removed", hash)
	}
}

func list(t *testing.T, w *watched) map[cluster.UnitName]cluster.Hash {
	t.Helper()
	found, err := w.List()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func records(t *testing.T, w *watched) {
	record := converge.Record{Unit: "contra-note@1.service", Generation: 3, Hash: "aa", Boot: "b", Before: "i"}
	has := func() bool {
		found, err := w.Records()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(found, record)
	}
	for _, begun := range []bool{false, true} {
		record.Begun = begun
		if err := w.Record(record); err != nil {
			t.Fatal(err)
		}
		if !has() {
			t.Errorf("%+v is not among the records", record)
		}
	}
	if err := w.Forget(record.Unit); err != nil {
		t.Fatal(err)
	}
	if has() {
		t.Error("a forgotten record is there")
	}
}

func badNames(t *testing.T, w *watched) {
	for _, name := range []cluster.UnitName{"", "../x.service", "x", "a/b.service", ".service"} {
		if w.Write(name, sleeps) == nil {
			t.Errorf("a text was written as %q", name)
		}
		if w.Record(converge.Record{Unit: name}) == nil {
			t.Errorf("a record was written as %q", name)
		}
	}
}

func removeTwice(t *testing.T, w *watched) {
	for range 2 {
		if err := w.Remove("contra-none.service"); err != nil {
			t.Error(err)
		}
		if err := w.Forget("contra-none.service"); err != nil {
			t.Error(err)
		}
		if err := w.ResetFailed(t.Context(), "contra-none.service"); err != nil {
			t.Error(err)
		}
	}
}
