//go:build store

package v2cluster

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// varying is what statistics tell that differs from one time to the next, by what
// it becomes.
var varying = []struct {
	pattern *regexp.Regexp
	becomes string
}{
	{regexp.MustCompile(`"[0-9a-f]{12,16}"`), `"ID"`},
	{regexp.MustCompile(`core-0\d`), "NAME"},
	{regexp.MustCompile(`"20\d\d-[^"]*Z"`), `"TIME"`},
	{regexp.MustCompile(`"uptime":"[^"]*s"`), `"uptime":"SPAN"`},
	{regexp.MustCompile(`,"(send|recv)(Pkg|Bandwidth)Rate":[^,}]+`), ""}, // there once it has been measured
	{regexp.MustCompile(`:[0-9][0-9.e-]*`), ":N"},
}

// TestStatsAsEtcd compares what leader and followers tell of themselves.
func TestStatsAsEtcd(t *testing.T) {
	web := newWeb()
	defer web.CloseIdleConnections()
	shown := func(members []*member) string {
		var lines []string
		for _, m := range members {
			for _, kind := range []string{"self", "leader", "store"} {
				text, err := ask(t.Context(), web, http.MethodGet, m.client()+"/v2/stats/"+kind, nil)
				line := fmt.Sprintf("%s: %s %v", kind, text, err)
				for _, v := range varying {
					line = v.pattern.ReplaceAllString(line, v.becomes)
				}
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	ours, theirs := shown(start(t, 3)), shown(startReference(t, 3))
	if ours != theirs || strings.Count(ours, `"latency":{"current":N,`) != 2 {
		t.Errorf("--- etcd\n%s\n--- ours\n%s", theirs, ours)
	}
}
