package v2keys

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
)

// TestALetterIsCarriedOutOnce: of a letter too large for one transaction what is
// left to do stays in etcd, for this sequencer's next or a successor's first.
func TestALetterIsCarriedOutOnce(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	elected, err := client.Put(t.Context(), electionPrefix+"/test", "")
	if err != nil {
		t.Fatal(err)
	}
	cluster := NewCluster(ClusterConfig{Client: client, Member: "test", Now: time.Now})
	l := letter{id: "letter"}
	for i := range together {
		l.orders = append(l.orders, newOrder(fmt.Sprint(i), keyspace.CreateInOrder{Directory: "/q", Content: value(fmt.Sprint(i))}))
	}
	cluster.mail(t.Context(), l)
	for done := 0; done < together; {
		found, err := load(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.letters) != 1 || len(found.letters[0].orders) != together-done || found.letters[0].orders[0].ID != fmt.Sprint(done) {
			t.Fatalf("after %d of %d there are letters %+v", done, together, found.letters)
		}
		successor := term{cluster: cluster, tree: found.tree, indexed: found.indexed,
			guard: clientv3.Compare(clientv3.CreateRevision(electionPrefix+"/test"), "=", elected.Header.Revision)}
		taken, err := successor.commit(t.Context(), found.letters[0].queued())
		if err != nil || taken == 0 {
			t.Fatalf("%d taken: %v", taken, err)
		}
		done += taken
	}
	found, err := load(t.Context(), client)
	if err != nil || len(found.letters) != 0 || found.tree.Index() != firstIndex+together {
		t.Errorf("%d letters left at %d: %v", len(found.letters), found.tree.Index(), err)
	}
}
