package endpoint

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	lost := errors.New("no route")
	ago := func(m *members, address string, d time.Duration) { m.tried(address, lost, now.Add(-d)) }
	for _, c := range []struct {
		name string
		own  string
		with func(m *members)
		want []string // one line for each new connection
	}{
		{"in turn", "", func(*members) {}, []string{"b:1 c:1 a:1", "c:1 a:1 b:1", "a:1 b:1 c:1"}},
		{"own first", "10.0.0.3", func(*members) {}, []string{"10.0.0.3:1 b:1 a:1", "10.0.0.3:1 a:1 b:1"}},
		{"the lost last", "", func(m *members) { ago(m, "b:1", time.Second) }, []string{"c:1 a:1 b:1", "c:1 a:1 b:1", "a:1 c:1 b:1"}},
		{"own, but lost", "10.0.0.3", func(m *members) { ago(m, "10.0.0.3:1", time.Second) }, []string{"b:1 a:1 10.0.0.3:1"}},
		{"all lost, the longest ago first", "", func(m *members) {
			ago(m, "a:1", time.Second)
			ago(m, "b:1", 3*time.Second)
			ago(m, "c:1", 2*time.Second)
		}, []string{"b:1 c:1 a:1", "b:1 c:1 a:1"}},
		{"rested", "", func(m *members) { ago(m, "b:1", restTime) }, []string{"b:1 c:1 a:1"}},
		{"back", "", func(m *members) {
			ago(m, "b:1", time.Second)
			m.tried("b:1", nil, now)
		}, []string{"b:1 c:1 a:1"}},
		{"others, but what is known stays", "", func(m *members) {
			ago(m, "b:1", time.Second)
			m.replace([]string{"b:1", "d:1"})
			m.replace(nil)
			m.tried("a:1", lost, now)
		}, []string{"d:1 b:1", "d:1 b:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addresses := []string{"a:1", "b:1", "c:1"}
			if c.own != "" {
				addresses[2] = net.JoinHostPort(c.own, "1")
			}
			m := newMembers(addresses, nil)
			c.with(m)
			for i, want := range c.want {
				if got := strings.Join(m.order(now, []*net.IPNet{{IP: net.ParseIP(c.own)}}), " "); got != want {
					t.Errorf("connection %d: %s, want %s", i, got, want)
				}
			}
		})
	}
}

func TestChangedIsToldOnce(t *testing.T) {
	var told []string
	m := newMembers([]string{"a:1"}, func(member string, err error) {
		if err != nil {
			member += " " + err.Error()
		}
		told = append(told, member)
	})
	now := time.Now()
	for _, err := range []error{nil, errors.New("refused"), errors.New("timed out"), nil, nil} {
		m.tried("a:1", err, now)
	}
	if got := strings.Join(told, ", "); got != "a:1 refused, a:1" {
		t.Errorf("told %q", got)
	}
}

func TestParseMembers(t *testing.T) {
	got, err := ParseMembers([]string{"https://10.0.0.1:2379", " 10.0.0.2:2379", "https://[::1]:2379/", "https://10.0.0.1:2379"})
	if err != nil || strings.Join(got, " ") != "10.0.0.1:2379 10.0.0.2:2379 [::1]:2379" {
		t.Errorf("got %v, %v", got, err)
	}
	for given, want := range map[string]string{
		"http://10.0.0.1:2379":        "over TLS only",
		"https://10.0.0.1":            "a host and a port",
		"10.0.0.1":                    "a host and a port",
		"https://:2379":               "a host and a port",
		"":                            "a host and a port",
		"https://10.0.0.1:x":          "invalid port",
		"https://10.0.0.1:1/v2":       "more than a host and a port",
		"https://user@10.0.0.1:2379":  "more than a host and a port",
		"https://10.0.0.1:2379?a=b":   "more than a host and a port",
		"https://10.0.0.1:2379#front": "more than a host and a port",
	} {
		if _, err := ParseMembers([]string{given}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", given, err, want)
		}
	}
	if _, err := ParseMembers(nil); err == nil {
		t.Error("no member was accepted")
	}
	if _, err := ParseMembers([]string{"http://a:1", "b"}); err == nil || strings.Count(err.Error(), "member ") != 2 {
		t.Errorf("two faults: %v", err)
	}
}
