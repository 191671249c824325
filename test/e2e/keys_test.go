//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const keys = "http://127.0.0.1:2379/v2/keys"

// etcd 2's API as the guides show it, from every machine, while the members that
// keep it stop one after the other.
func TestKeysV2OutliveEachMember(t *testing.T) {
	t.Cleanup(func() { cluster.shell(t, "core-01", "curl -sS -XDELETE '"+keys+"/e2e?recursive=true'") })
	for i, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl stop etcd")
		eventually(t, 30*time.Second, func() error {
			out := cluster.shell(t, machine, fmt.Sprintf("curl -sS --max-time 10 %s/e2e/%s -XPUT -d value=%d", keys, machine, i))
			if !strings.Contains(out.stdout, `"action":"set"`) {
				return fmt.Errorf("without its own member %s cannot write: %s%s", machine, out.stdout, out.stderr)
			}
			return nil
		})
		cluster.must(t, machine, "sudo systemctl start etcd")
	}
	for i, machine := range allMachines {
		from := allMachines[(i+1)%3]
		eventually(t, 30*time.Second, func() error {
			out := cluster.shell(t, from, fmt.Sprintf("curl -sS '%s/e2e/%s?quorum=true'", keys, machine))
			if want := fmt.Sprintf(`"value":"%d"`, i); !strings.Contains(out.stdout, want) {
				return fmt.Errorf("%s reads %s%s of what %s wrote, expected %s", from, out.stdout, out.stderr, machine, want)
			}
			return nil
		})
	}
	// One who waits on one machine is told of a write on another, whichever of the
	// two comes first: the index says from where on.
	before := cluster.must(t, "core-01", "curl -sS -o /dev/null -D - "+keys+"/e2e | tr -d '\\r' | sed -n 's/^X-Etcd-Index: //p'")
	var index int
	if _, err := fmt.Sscan(before, &index); err != nil {
		t.Fatalf("X-Etcd-Index %q: %v", before, err)
	}
	told := make(chan outcome)
	go func() {
		told <- cluster.shell(t, "core-03", fmt.Sprintf("curl -sS --max-time 30 '%s/e2e/told?wait=true&waitIndex=%d'", keys, index+1))
	}()
	cluster.must(t, "core-01", "curl -sS "+keys+"/e2e/told -XPUT -d value=now")
	if out := <-told; !strings.Contains(out.stdout, `"value":"now"`) {
		t.Errorf("one who waits was told %s%s", out.stdout, out.stderr)
	}
	cluster.whole(t, "hello@", 3)
}

// What programs ask at the client port is there on every machine, on the port of
// etcd before 2.0, too.
func TestTheStoreOnEveryMachine(t *testing.T) {
	for _, machine := range allMachines {
		for path, want := range map[string]string{
			"2379/health": `"health":"true"`, "2379/livez": "ok", "2379/readyz": "ok", "2379/version": `"etcdserver":"3.7`,
			"2379/metrics": "etcd_server_has_leader 1", "2379/v2/machines": ":2379", "2379/v2/members": `"peerURLs"`,
			"4001/v2/keys/": `"action":"get"`, "4001/version": `"etcdserver":"3.7`,
			`2379/v3/kv/range -d '{"key":"YQ=="}'`: `"header"`,
		} {
			if out := cluster.shell(t, machine, "curl -sS http://127.0.0.1:"+path); !strings.Contains(out.stdout, want) {
				t.Errorf("%s: %s answers %.300s%s, expected %s", machine, path, out.stdout, out.stderr, want)
			}
		}
	}
}

func TestStoreGuide(t *testing.T) {
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "etcdctl del --prefix guide/; curl -sS -XDELETE '"+keys+"/guide?recursive=true'")
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/store.md")
}
