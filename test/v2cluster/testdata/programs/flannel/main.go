// Command flannel takes a subnet as flanneld does, with its own subnet manager, says
// which, and what it is told of other machines' subnets.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/flannel/pkg/ip"
	"github.com/coreos/flannel/subnet"
	"github.com/coreos/flannel/subnet/etcdv2"
	"golang.org/x/net/context"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// run is several machines, each at an address.
func run(ctx context.Context, endpoint string, addresses []string) error {
	var cursor interface{}
	var watcher subnet.Manager
	for i, address := range addresses {
		manager, err := etcdv2.NewLocalManager(&etcdv2.EtcdConfig{Endpoints: []string{endpoint}, Prefix: "/coreos.com/network"}, ip.IP4Net{})
		if err != nil {
			return err
		}
		config, err := manager.GetNetworkConfig(ctx)
		if err != nil {
			return err
		}
		public, err := ip.ParseIP4(address)
		if err != nil {
			return err
		}
		attributes := subnet.LeaseAttrs{PublicIP: public, BackendType: "udp"}
		lease, err := manager.AcquireLease(ctx, &attributes)
		if err != nil {
			return err
		}
		again, err := manager.AcquireLease(ctx, &attributes)
		if err != nil {
			return err
		}
		fmt.Println(address, "has a subnet in", config.Network, "for", time.Until(lease.Expiration).Round(time.Hour), "and keeps it:", lease.Subnet == again.Subnet)
		if err := manager.RenewLease(ctx, lease); err != nil {
			return err
		}
		if i == 0 {
			watcher = manager
		}
		told, err := watcher.WatchLeases(ctx, cursor)
		if err != nil {
			return err
		}
		for _, l := range told.Snapshot {
			fmt.Println("there is", l.Attrs.PublicIP)
		}
		for _, e := range told.Events {
			fmt.Println("told", e.Type, e.Lease.Attrs.PublicIP)
		}
		cursor = told.Cursor
	}
	return nil
}
