// Command locksmith locks and unlocks as locksmithctl does, with its own package.
// locksmithctl itself needs a D-Bus library that is no longer to be had.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/coreos/etcd/client"
	"github.com/coreos/locksmith/lock"
)

func main() {
	endpoint, group, id, verb := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	c, err := client.New(client.Config{Endpoints: []string{endpoint}})
	if err == nil {
		var keys *lock.EtcdLockClient
		if keys, err = lock.NewEtcdLockClient(client.NewKeysAPI(c), group); err == nil {
			err = do(lock.New(id, keys), verb)
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func do(l *lock.Lock, verb string) error {
	switch verb {
	case "lock":
		return l.Lock()
	case "unlock":
		return l.Unlock()
	case "status":
		semaphore, err := l.Get()
		if err == nil {
			fmt.Println(semaphore)
		}
		return err
	}
	max, err := strconv.Atoi(verb)
	if err != nil {
		return err
	}
	_, before, err := l.SetMax(max)
	fmt.Println("max was", before)
	return err
}
