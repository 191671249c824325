package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"argosy/edge/localnet"
	"argosy/edge/nspawn"
)

// Folders of the host.
const (
	stateDir = "/var/lib/argosy"
	cacheDir = "/var/cache/argosy"
)

// ErrNone is a cluster that there is not.
var ErrNone = errors.New("there is no such cluster")

// Cluster is a local cluster, by its name and its folder:
//
//	cluster.json        the Plan
//	faults.json         what is broken between the machines
//	bin/                the binary, and its links for `argosy env`
//	authority/          the certificate authority
//	id_ed25519          core's key; known_hosts: the machines' keys
//	common/             layer of all machines
//	machines/NAME/      layer/, disk/, docker/, containers/, machine.json, console.log
type Cluster struct {
	plan Plan
	dir  string
}

func (c *Cluster) path(name string) string                 { return filepath.Join(c.dir, name) }
func (c *Cluster) folder(node Node) string                 { return filepath.Join(c.dir, "machines", node.Name) }
func (c *Cluster) layer(node Node) string                  { return filepath.Join(c.folder(node), "layer") }
func (c *Cluster) binary() string                          { return c.path("bin/argosy") }
func (c *Cluster) namespace() localnet.Namespace           { return namespaceOf(c.plan.Name) }
func (c *Cluster) machine(n Node) (*nspawn.Machine, error) { return nspawn.Open(c.folder(n)) }

func namespaceOf(name string) localnet.Namespace { return localnet.Named("argosy-" + name) }

// groupOf is the control group of all that belongs to a cluster.
func groupOf(name string) (nspawn.Cgroup, error) { return nspawn.CgroupAt("argosy", name) }

// Open finds the cluster called name; ErrNone if there is none.
func Open(name string) (*Cluster, error) {
	c := &Cluster{dir: filepath.Join(stateDir, name)}
	text, err := os.ReadFile(c.path("cluster.json"))
	if errors.Is(err, fs.ErrNotExist) || !clusterName.MatchString(name) {
		return nil, fmt.Errorf("cluster %q: %w: `argosy up` makes one", name, ErrNone)
	}
	if err != nil {
		return nil, err
	}
	c.plan, err = parsePlan(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; `argosy down --name %s` clears away what is there", c.path("cluster.json"), err, name)
	}
	return c, nil
}

func parsePlan(text []byte) (Plan, error) {
	var plan Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return Plan{}, err
	}
	return plan, plan.check()
}

func (c *Cluster) save() error {
	text, err := json.MarshalIndent(c.plan, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(c.path("cluster.json"), string(text)+"\n", 0o644)
}

// hold keeps every other argosy from changing the cluster called name until
// release. waiting is called once if another has it now.
func hold(ctx context.Context, name string, waiting func()) (release func(), err error) {
	dir := filepath.Join(stateDir, name)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for first := true; ; first = false {
		lock, err := tryLock(dir)
		if err == nil {
			return func() { _ = lock.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again.C:
		}
	}
}

// tryLock locks the folder itself. Whoever held it before may have removed it
// meanwhile: then the lock is on something that nobody finds any more.
func tryLock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, err
	}
	mine, err := lock.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(dir); err == nil && os.SameFile(mine, now) {
			return lock, nil
		}
	}
	_ = lock.Close()
	return nil, unix.EWOULDBLOCK
}

// Names lists the machines.
func (c *Cluster) Names() []string {
	var names []string
	for _, node := range c.plan.Machines {
		names = append(names, node.Name)
	}
	return names
}
