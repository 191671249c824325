package systemd

import (
	"testing"

	"github.com/godbus/dbus/v5"

	"argosy/core/cluster"
)

func TestUnitPaths(t *testing.T) {
	for unit, path := range map[cluster.UnitName]dbus.ObjectPath{
		"web.service":           "/org/freedesktop/systemd1/unit/web_2eservice",
		"web@a-1.service":       "/org/freedesktop/systemd1/unit/web_40a_2d1_2eservice",
		"1st.socket":            "/org/freedesktop/systemd1/unit/_31st_2esocket",
		`dev-a\x2db.mount`:      "/org/freedesktop/systemd1/unit/dev_2da_5cx2db_2emount",
		"under_score.service":   "/org/freedesktop/systemd1/unit/under_5fscore_2eservice",
		"a.very:strange.target": "/org/freedesktop/systemd1/unit/a_2every_3astrange_2etarget",
	} {
		if got := unitPath(unit); got != path {
			t.Errorf("the path of %s is %s, expected %s", unit, got, path)
		}
		if got := unitOf(path); got != unit {
			t.Errorf("the unit of %s is %s, expected %s", path, got, unit)
		}
	}
	for _, path := range []dbus.ObjectPath{"", "/", "/org/freedesktop/systemd1/job/7", "/org/freedesktop/systemd1/unit/"} {
		if got := unitOf(path); got != "" {
			t.Errorf("the unit of %q is %q, expected none", path, got)
		}
	}
}

func signal(name string, path dbus.ObjectPath, body ...any) (string, string, *dbus.Signal) {
	iface := systemdName + ".Manager"
	if name == "PropertiesChanged" {
		iface = "org.freedesktop.DBus.Properties"
	}
	return iface, name, &dbus.Signal{Path: path, Name: iface + "." + name, Body: body}
}

func TestSignalsOfAStart(t *testing.T) {
	s := newSession(&sequence{}, DefaultFolders())
	path := unitPath("web.service")
	s.DeliverSignal(signal("UnitNew", managerPath, "web.service", path))
	s.DeliverSignal(signal("JobNew", managerPath, uint32(7), dbus.ObjectPath("/job/7"), "web.service"))
	s.DeliverSignal(signal("PropertiesChanged", path, unitIface, map[string]dbus.Variant{
		"ActiveState": dbus.MakeVariant("active"), "SubState": dbus.MakeVariant("running"),
		"InvocationID": dbus.MakeVariant([]byte{0xab, 0xcd})}, []string{}))
	seen := s.take()
	if len(seen.Units) != 1 || seen.Reset {
		t.Fatalf("seen %+v, expected one unit", seen)
	}
	if u := seen.Units[0]; u.Active != "active" || u.Sub != "running" || u.Job != 7 || u.Invocation != "abcd" || !u.InMemory {
		t.Errorf("status %+v", u)
	}
	s.DeliverSignal(signal("JobRemoved", managerPath, uint32(7), dbus.ObjectPath("/job/7"), "web.service", "done"))
	s.DeliverSignal(signal("PropertiesChanged", path, systemdName+".Service", map[string]dbus.Variant{"Result": dbus.MakeVariant("signal")}, []string{}))
	s.DeliverSignal(signal("UnitRemoved", managerPath, "web.service", path))
	if u := s.take().Units[0]; u.InMemory || u.Up() || u.Result != "signal" {
		t.Errorf("status after it left memory: %+v", u)
	}
	if seen := s.take(); len(seen.Units) != 0 {
		t.Errorf("delivered twice: %+v", seen)
	}
}

func TestNothingIsDeliveredDuringAReload(t *testing.T) {
	s := newSession(&sequence{}, DefaultFolders())
	s.learn([]listed{{Name: "web.service", Load: "loaded", Active: "active", Sub: "running"}})
	s.take()
	s.DeliverSignal(signal("Reloading", managerPath, true))
	s.DeliverSignal(signal("UnitRemoved", managerPath, "web.service", unitPath("web.service")))
	if seen := s.take(); len(seen.Units) != 0 {
		t.Errorf("delivered in the middle of a reload: %+v", seen)
	}
	s.DeliverSignal(signal("Reloading", managerPath, false))
	if !s.takeReread() {
		t.Fatal("systemd's list is not read again after a reload")
	}
	s.learn([]listed{{Name: "web.service", Load: "loaded", Active: "active", Sub: "running"}})
	if seen := s.take(); len(seen.Units) != 1 || seen.Units[0].Active != "active" {
		t.Errorf("delivered after the reload: %+v", seen)
	}
}

// TestListIsOlderThanSignals: what a signal said while the list was on its way stands.
func TestListIsOlderThanSignals(t *testing.T) {
	s := newSession(&sequence{}, DefaultFolders())
	s.learn([]listed{{Name: "web.service", Load: "loaded", Active: "activating"}, {Name: "gone.service", Load: "loaded", Active: "active"}})
	s.touched = map[cluster.UnitName]bool{}
	s.DeliverSignal(signal("PropertiesChanged", unitPath("web.service"), unitIface,
		map[string]dbus.Variant{"ActiveState": dbus.MakeVariant("active")}, []string{}))
	s.DeliverSignal(signal("UnitNew", managerPath, "new.service", unitPath("new.service")))
	s.learn([]listed{{Name: "web.service", Load: "loaded", Active: "activating"}})
	if got := s.units["web.service"].Active; got != "active" {
		t.Errorf("web.service is %s, expected active", got)
	}
	if s.units["gone.service"].InMemory {
		t.Error("gone.service is not in the list and still held for loaded")
	}
	if !s.units["new.service"].InMemory {
		t.Error("new.service came after the list and was dropped")
	}
}

// FuzzSignals: whatever comes over the socket is taken in without harm.
func FuzzSignals(f *testing.F) {
	f.Add("UnitNew", "/org/freedesktop/systemd1/unit/a_2eservice", "a.service", uint32(1), true)
	f.Add("JobRemoved", "/", "", uint32(0), false)
	f.Add("Reloading", "x", "\xff", uint32(9), true)
	f.Add("PropertiesChanged", "/org/freedesktop/systemd1/unit/_", "y", uint32(2), false)
	f.Fuzz(func(t *testing.T, name, path, word string, number uint32, flag bool) {
		s := newSession(&sequence{}, DefaultFolders())
		p := dbus.ObjectPath(path)
		values := map[string]dbus.Variant{"ActiveState": dbus.MakeVariant(number), "SubState": dbus.MakeVariant(word),
			"InvocationID": dbus.MakeVariant(word), "Result": dbus.MakeVariant(flag)}
		for _, body := range [][]any{
			{}, {word}, {number}, {flag}, {nil}, {word, p}, {number, p, word}, {number, p, word, word},
			{word, number, p}, {unitIface, values}, {unitIface, word}, {systemdName + ".Service", values}, {word, values, flag},
		} {
			s.DeliverSignal(signal(name, p, body...))
		}
		s.take()
	})
}
