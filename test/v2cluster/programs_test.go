//go:build store

package v2cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
)

// Programs that were written for etcd 2, unchanged, do the same with ours and with
// Debian's etcd 3.4.

// both runs a part with a cluster of each and compares what it tells.
func both(t *testing.T, part func(t *testing.T, members []*member) string) {
	t.Helper()
	ours, theirs := part(t, level(t, start(t, 2))), part(t, level(t, startReference(t, 2)))
	if ours != theirs || ours == "" {
		t.Errorf("ours:\n%s\netcd 3.4:\n%s", ours, theirs)
	}
}

// level brings a cluster to the index that all begin at: etcd 3.4 counts the
// registration of its members too.
func level(t *testing.T, members []*member) []*member {
	t.Helper()
	const begin = 40
	for index := 0; index < begin; {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, members[0].client()+"/v2/keys/ready?value=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if index, err = strconv.Atoi(answer.Header.Get("X-Etcd-Index")); err != nil || index > begin {
			t.Fatalf("index %d, %v; all begin at %d", index, err, begin)
		}
	}
	return members
}

// TestEtcdctlOfVersion2 types Debian's etcdctl with ETCDCTL_API=2.
func TestEtcdctlOfVersion2(t *testing.T) {
	both(t, func(t *testing.T, members []*member) string {
		var told strings.Builder
		for i, line := range []string{
			"set /message Hello", "get /message", "mk /message again", "mk /new x", "update /none y", "update /new y",
			"set /new z --swap-with-value y", "set /new z --swap-with-value y", "mkdir /folder", "mkdir /folder", "setdir /folder/deep",
			"set /folder/a 1", "set /folder/_hidden 1", "ls --sort /", "ls --recursive --sort -p /", "ls /none", "get /folder",
			"rmdir /folder", "rm /folder", "rm --recursive /folder", "rm /new --with-value a", "rm /new --with-value z",
			"set /brief x --ttl 100", "-o extended get /message",
			"watch --after-index 1 /message",
		} {
			m := members[i%len(members)]
			words := strings.Fields(line)
			command := exec.Command("timeout", append([]string{"20", "etcdctl", "--endpoints", m.client()}, words...)...)
			command.Env = append(os.Environ(), "ETCDCTL_API=2")
			out, err := command.CombinedOutput()
			fmt.Fprintf(&told, "$ %s\n%s%v\n", line, out, err)
		}
		return told.String()
	})
}

// TestGoClientOfVersion2 uses etcd's own Go client of the v2 API, which confd,
// flannel and others were built with.
func TestGoClientOfVersion2(t *testing.T) {
	both(t, func(t *testing.T, members []*member) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := clientv2.New(clientv2.Config{Endpoints: []string{members[0].client(), members[1].client()}, HeaderTimeoutPerRequest: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		keys := clientv2.NewKeysAPI(c)
		var told strings.Builder
		tell := func(r *clientv2.Response, err error) {
			var of clientv2.Error
			switch {
			case errors.As(err, &of):
				fmt.Fprintf(&told, "%d %s (%s)\n", of.Code, of.Message, of.Cause)
			case err != nil:
				t.Fatal(err)
			default:
				fmt.Fprintf(&told, "%s %s\n", r.Action, r.Node)
				if r.PrevNode != nil {
					fmt.Fprintf(&told, "  before: %s\n", r.PrevNode)
				}
				for _, n := range r.Node.Nodes {
					fmt.Fprintf(&told, "  %s=%q\n", n.Key, n.Value)
				}
			}
		}
		tell(keys.Create(ctx, "/a/b", "1"))
		tell(keys.Create(ctx, "/a/b", "2"))
		tell(keys.Update(ctx, "/a/b", "3"))
		seen, err := keys.Get(ctx, "/a/b", &clientv2.GetOptions{Quorum: true})
		tell(seen, err)
		watcher := keys.Watcher("/a", &clientv2.WatcherOptions{Recursive: true, AfterIndex: seen.Node.CreatedIndex - 1})
		for range 2 {
			tell(watcher.Next(ctx))
		}
		tell(keys.Set(ctx, "/a/b", "4", &clientv2.SetOptions{PrevIndex: seen.Node.ModifiedIndex}))
		tell(keys.Set(ctx, "/a/b", "5", &clientv2.SetOptions{PrevIndex: seen.Node.ModifiedIndex}))
		tell(keys.CreateInOrder(ctx, "/queue", "first", nil))
		tell(keys.CreateInOrder(ctx, "/queue", "second", nil))
		tell(keys.Get(ctx, "/queue", &clientv2.GetOptions{Sort: true, Recursive: true}))
		tell(keys.Delete(ctx, "/queue", nil))
		tell(keys.Delete(ctx, "/queue", &clientv2.DeleteOptions{Recursive: true}))
		if err := c.Sync(ctx); err != nil || len(c.Endpoints()) != len(members) {
			t.Errorf("after a sync it knows %v, %v", c.Endpoints(), err)
		}
		list, err := clientv2.NewMembersAPI(c).List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%d members\n", len(list))
		return told.String()
	})
}

// python is a program of python-etcd's users: reads, writes, a watch, a lock.
const python = `
import etcd, sys, threading
c = etcd.Client(host=sys.argv[1], port=2379, allow_reconnect=True)
def tell(what):
    try:
        r = what()
        print(r.action, r.key, r.value, r.dir, r.createdIndex, r.modifiedIndex, sorted((n.key, n.value) for n in r.leaves if n.key != r.key))
    except etcd.EtcdException as e:
        print(type(e).__name__, e)
tell(lambda: c.write('/py/a', 'é 1'))
tell(lambda: c.read('/py/a'))
tell(lambda: c.write('/py/a', '2', prevExist=False))
tell(lambda: c.write('/py/a', '2', prevValue='é 1'))
tell(lambda: c.test_and_set('/py/a', '3', 'wrong'))
tell(lambda: c.write('/py/q', 'x', append=True))
tell(lambda: c.read('/py', recursive=True, sorted=True))
tell(lambda: c.read('/py/none'))
tell(lambda: c.watch('/py/a', index=c.read('/py/a').createdIndex))
seen = []
started = c.read('/py/a').etcd_index
t = threading.Thread(target=lambda: seen.append(etcd.Client(host=sys.argv[1], port=2379).watch('/py', recursive=True, index=started+1).value))
t.start()
tell(lambda: c.write('/py/b', 'woken'))
t.join(20)
print(seen)
lock = etcd.Lock(c, 'py')
print(lock.acquire(lock_ttl=30), lock.is_acquired)
lock.release()
print(lock.is_acquired)
tell(lambda: c.delete('/py'))
tell(lambda: c.delete('/py', recursive=True))
print(len(c.machines))
`

func TestPythonEtcd(t *testing.T) {
	both(t, func(t *testing.T, members []*member) string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		command := exec.CommandContext(ctx, "/usr/bin/python3", "-W", "ignore", "-c", python, members[1].host)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	})
}
