// Package lab makes, mends, breaks and clears away a local cluster: machines
// with a real systemd on this host, in a network of their own.
package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Plan is what a cluster is made of. It is decided once, before anything is
// done, and lies in the cluster's folder until the cluster is gone.
type Plan struct {
	Version  int    `json:"version"` // of this format: planVersion
	Name     string `json:"name"`
	Token    string `json:"token"` // tells this cluster's members from another's
	Base     string `json:"base"`  // the tree below all machines
	Machines []Node `json:"machines"`
	Greeted  bool   `json:"greeted"` // the example has been started once
}

// Node is one machine of a plan.
type Node struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Member  bool       `json:"member"` // of etcd
	ID      string     `json:"machine_id"`
}

const planVersion = 1

// network is the same for all clusters: each has a network namespace to itself.
var network = netip.MustParsePrefix("10.99.0.1/24")

const (
	maxMachines = 200 // addresses .11 to .210
	maxMembers  = 7   // more only make a store slower
)

var clusterName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// NewPlan plans machines core-01, core-02 ... of which the first are members;
// with members 0, at most three and an odd number.
func NewPlan(name string, machines, members int) (Plan, error) {
	if members == 0 {
		members = min(3, (machines-1)|1)
	}
	switch {
	case !clusterName.MatchString(name):
		return Plan{}, fmt.Errorf("%q is no name for a cluster: expected a letter, then letters, digits and -, at most 31, all lower case", name)
	case machines < 1 || machines > maxMachines:
		return Plan{}, fmt.Errorf("%d machines: expected 1 to %d", machines, maxMachines)
	case members < 1 || members > min(machines, maxMembers) || members%2 == 0:
		return Plan{}, fmt.Errorf("%d members of %d machines: expected an odd number from 1 to %d: an even one survives no more losses than the odd one below", members, machines, min(machines, maxMembers))
	}
	plan := Plan{Version: planVersion, Name: name, Token: randomHex(8)}
	address := network.Addr()
	for range 9 {
		address = address.Next()
	}
	for i := range machines {
		address = address.Next()
		plan.Machines = append(plan.Machines, Node{
			Name: fmt.Sprintf("core-%02d", i+1), Address: address, Member: i < members, ID: randomHex(16),
		})
	}
	return plan, nil
}

func randomHex(bytes int) string {
	text := make([]byte, bytes)
	_, _ = rand.Read(text) // never fails: crypto/rand
	return hex.EncodeToString(text)
}

// check refuses a plan that was not written by this program, or is damaged.
func (p Plan) check() error {
	if p.Version != planVersion {
		return fmt.Errorf("it has version %d, this argosy knows %d", p.Version, planVersion)
	}
	if len(p.Machines) == 0 {
		return fmt.Errorf("it has no machines")
	}
	for _, node := range p.Machines {
		if node.Name == "" || !network.Contains(node.Address) || len(node.ID) != 32 {
			return fmt.Errorf("machine %q at %s with id %q is not one of ours", node.Name, node.Address, node.ID)
		}
	}
	return nil
}

// node finds a machine by its name.
func (p Plan) node(name string) (Node, error) {
	var names []string
	for _, node := range p.Machines {
		if node.Name == name {
			return node, nil
		}
		names = append(names, node.Name)
	}
	return Node{}, &UnknownMachineError{Name: name, Known: names}
}

func (p Plan) members() []Node {
	var members []Node
	for _, node := range p.Machines {
		if node.Member {
			members = append(members, node)
		}
	}
	return members
}

// UnknownMachineError is a machine's name that the cluster does not have.
type UnknownMachineError struct {
	Name  string
	Known []string
}

func (e *UnknownMachineError) Error() string {
	return fmt.Sprintf("there is no machine %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}
