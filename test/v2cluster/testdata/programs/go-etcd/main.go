// Command go-etcd does with github.com/coreos/go-etcd, the first client in Go, what
// programs did with it.
package main

import (
	"fmt"
	"os"
	"sort"

	"github.com/coreos/go-etcd/etcd"
)

func main() {
	c := etcd.NewClient(os.Args[1:])
	fmt.Println("synced:", c.SyncCluster(), len(c.GetCluster()))
	tell := func(r *etcd.Response, err error) {
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		var keys []string
		for _, n := range r.Node.Nodes {
			keys = append(keys, n.Key+"="+n.Value)
		}
		sort.Strings(keys)
		fmt.Println(r.Action, r.Node.Key, r.Node.Value, r.Node.Dir, r.Node.TTL, r.Node.CreatedIndex, r.Node.ModifiedIndex, r.EtcdIndex, keys, r.PrevNode != nil)
	}
	first, err := c.Create("/go/a", "1", 0)
	tell(first, err)
	tell(c.Create("/go/a", "2", 0))
	tell(c.Set("/go/a", "2", 100))
	tell(c.CompareAndSwap("/go/a", "3", 0, "2", 0))
	tell(c.CompareAndSwap("/go/a", "4", 0, "2", 0))
	tell(c.CompareAndDelete("/go/a", "nothing", 0))
	tell(c.Update("/go/none", "x", 0))
	tell(c.CreateDir("/go/dir", 0))
	tell(c.AddChild("/go/dir", "first", 0))
	tell(c.AddChild("/go/dir", "second", 0))
	tell(c.Get("/go/dir", true, true))
	tell(c.Watch("/go", first.EtcdIndex, true, nil, nil))
	tell(c.Watch("/go", first.EtcdIndex+1, true, nil, nil))
	events, stop := make(chan *etcd.Response), make(chan bool)
	ended := make(chan error)
	go func() {
		_, err := c.Watch("/go", first.EtcdIndex, true, events, stop)
		ended <- err
	}()
	for i := 0; i < 4; i++ {
		r := <-events
		fmt.Println("told", r.Action, r.Node.Key, r.Node.Value)
	}
	go func() { // it takes no word of stop while an event is on its way to us
		for range events {
		}
	}()
	stop <- true
	fmt.Println("the watch:", <-ended)
	tell(c.DeleteDir("/go/dir"))
	tell(c.Delete("/go", true))
}
