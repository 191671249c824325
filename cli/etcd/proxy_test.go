package etcd

import (
	"fmt"
	"strings"
	"testing"

	"argosy/edge/etcdnode"
)

func TestHosts(t *testing.T) {
	settings, err := etcdnode.Parse([]string{"--log-outputs=/dev/null"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ urls, want string }{
		{"http://10.0.0.1:2379 http://10.0.0.2:2379", "[10.0.0.1:2379 10.0.0.2:2379] false <nil>"},
		{"https://10.0.0.1:2379 http://localhost:2379", "[10.0.0.1:2379] true <nil>"},
		{"http://localhost:2379", "[] false relay to the members: their client URLs http://localhost:2379 lead to this machine itself: set --advertise-client-urls on them"},
		{"10.0.0.1", `[] false read a member's client URL: "10.0.0.1" is none`},
	} {
		addresses, secured, err := hosts(settings, strings.Fields(c.urls))
		if got := fmt.Sprint(addresses, secured, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.urls, got, c.want)
		}
	}
}
