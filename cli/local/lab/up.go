package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"argosy/edge/basetree"
	"argosy/edge/localnet"
	"argosy/edge/nspawn"
)

// Options are what a user can say about a cluster that is to be.
type Options struct {
	Name     string
	Machines int    // 0: three
	Members  int    // 0: at most three, and odd
	Binary   string // the argosy that the machines get
	Mirror   string // of Debian packages
}

// Progress is told what Up is doing. Each step ends the one before.
type Progress interface {
	Step(name string)
	Detail(line string) // of the step; worth seeing only while it lasts
	Note(line string)   // worth reading afterwards
}

// Up makes the cluster, or mends what is missing of it, and waits until it is
// healthy. changed says whether there was anything to do.
func Up(ctx context.Context, options Options, progress Progress) (c *Cluster, changed bool, err error) {
	progress.Step("this host")
	if err := Preflight(); err != nil {
		return nil, false, err
	}
	plan, err := options.plan() // refused before anything is made: the lock is a folder already
	if err != nil {
		return nil, false, err
	}
	// Folders made here become folders of machines, where not only root looks.
	unix.Umask(0o022)
	release, err := hold(ctx, options.Name, func() { progress.Note("waiting for another argosy that works on this cluster") })
	if err != nil {
		return nil, false, err
	}
	defer release()
	c, err = planned(options, plan)
	if err != nil {
		return nil, false, err
	}
	if err := c.base(ctx, options.Mirror, progress); err != nil {
		return nil, false, err
	}
	changed, err = c.boot(ctx, options.Binary, progress)
	if err != nil {
		return nil, changed, err
	}
	return c, changed, c.healthy(ctx, progress)
}

// plan is the plan of a cluster that is to be.
func (o Options) plan() (Plan, error) {
	machines := o.Machines
	if machines == 0 {
		machines = 3
	}
	return NewPlan(o.Name, machines, o.Members)
}

// planned is the cluster by the plan that it has, or by this one, which is
// recorded before anything else is done.
func planned(options Options, plan Plan) (*Cluster, error) {
	c, err := Open(options.Name)
	if err == nil {
		return c, c.same(options)
	}
	if !errors.Is(err, ErrNone) {
		return nil, err
	}
	c = &Cluster{plan: plan, dir: filepath.Join(stateDir, options.Name)}
	return c, c.save()
}

// same refuses options that ask for another cluster than there is.
func (c *Cluster) same(options Options) error {
	machines, members := len(c.plan.Machines), len(c.plan.members())
	if (options.Machines != 0 && options.Machines != machines) || (options.Members != 0 && options.Members != members) {
		return fmt.Errorf("cluster %q has %d machines, %d of them members, and that cannot be changed: `argosy down` first", c.plan.Name, machines, members)
	}
	return nil
}

// base sees to the tree below all machines. A cluster keeps the tree that it
// began with: another below the same disks would make no sense.
func (c *Cluster) base(ctx context.Context, mirror string, progress Progress) error {
	if c.plan.Base != "" {
		if _, err := os.Stat(c.plan.Base); err != nil {
			return fmt.Errorf("the tree that cluster %q stands on is gone: %w; `argosy down` and `argosy up` make all anew", c.plan.Name, err)
		}
		return nil
	}
	recipe, err := basetree.Debian13()
	if err != nil {
		return err
	}
	cache := basetree.Cache{Dir: cacheDir, Mirror: mirror}
	if _, found := cache.Find(recipe); found {
		progress.Step("base tree")
	} else {
		progress.Step("base tree (built once: about a minute)")
		if err := canBuild(); err != nil {
			return err
		}
	}
	if c.plan.Base, err = cache.Ensure(ctx, recipe, progress.Detail); err != nil {
		return err
	}
	return c.save()
}

// boot writes what is missing, and starts each machine that is off. It lays no
// hand on one that runs.
func (c *Cluster) boot(ctx context.Context, binary string, progress Progress) (changed bool, err error) {
	asleep, err := c.asleep()
	if err != nil {
		return false, err
	}
	faults, err := c.faults()
	if err != nil {
		return false, err
	}
	if len(asleep) == 0 && !faults.Any() {
		return false, c.sameBinary(binary, progress)
	}
	progress.Step("files and keys")
	if len(asleep) == len(c.plan.Machines) {
		// Nobody uses the layer: it may become what this binary would make.
		if err := c.writeCommon(binary); err != nil {
			return true, err
		}
	}
	if err := c.writeNodes(); err != nil {
		return true, err
	}
	progress.Step("network")
	if err := c.network(ctx, faults); err != nil {
		return true, err
	}
	progress.Step("machines")
	return true, c.start(ctx, asleep)
}

// asleep lists the machines that do not run.
func (c *Cluster) asleep() ([]Node, error) {
	var asleep []Node
	for _, node := range c.plan.Machines {
		m, err := c.machine(node)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err != nil || m.State() == nspawn.Off || m.State() == nspawn.Paused {
			asleep = append(asleep, node)
		}
	}
	return asleep, nil
}

// sameBinary notes when the machines run another build than the one asked for.
func (c *Cluster) sameBinary(binary string, progress Progress) error {
	theirs, err := os.ReadFile(c.binary())
	if err != nil {
		return err
	}
	mine, err := os.ReadFile(binary)
	if err == nil && !slices.Equal(mine, theirs) {
		progress.Note("the machines run another build of argosy than this one: `argosy down` and `argosy up` give them this one")
	}
	return err
}

// writeCommon writes the binary and the layer that all machines share.
func (c *Cluster) writeCommon(binary string) error {
	if err := os.MkdirAll(c.path("bin"), 0o755); err != nil {
		return err
	}
	if err := copyFile(binary, c.binary()); err != nil {
		return fmt.Errorf("copy the binary: %w", err)
	}
	for _, name := range commands {
		if err := os.Symlink("argosy", c.path("bin/"+name)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	public, err := c.identity()
	if err != nil {
		return err
	}
	files, err := commonFiles(c.plan, public)
	if err != nil {
		return err
	}
	if err := writeLayer(c.path("common"), files); err != nil {
		return err
	}
	return os.Link(c.binary(), c.path("common/usr/bin/argosy"))
}

// copyFile copies a program; the copy appears as a whole.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	next := to + ".next"
	target, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err := errors.Join(err, target.Chmod(0o755), target.Close()); err != nil {
		return err
	}
	return os.Rename(next, to)
}

// writeNodes writes each machine's own layer and folders where they are missing.
func (c *Cluster) writeNodes() error {
	ca, err := c.certificates()
	if err != nil {
		return err
	}
	// Machines' keys are in there, readable by groups that are others here.
	if err := os.MkdirAll(c.path("machines"), 0o700); err != nil {
		return err
	}
	for _, node := range c.plan.Machines {
		if _, err := os.Stat(c.layer(node)); err != nil {
			own, err := newSecrets(ca, node)
			if err != nil {
				return err
			}
			if err := writeLayer(c.layer(node), nodeFiles(c.plan, node, own)); err != nil {
				return err
			}
		}
		if _, err := nspawn.Create(c.folder(node), c.spec(node)); err != nil {
			return err
		}
	}
	known, err := c.knownHosts()
	if err != nil {
		return err
	}
	return writeWhole(c.path("known_hosts"), known, 0o644)
}

func (c *Cluster) spec(node Node) nspawn.Spec {
	return nspawn.Spec{
		Name:   node.Name,
		Group:  filepath.Join("argosy", c.plan.Name),
		Layers: []string{c.layer(node), c.path("common"), c.plan.Base},
		Bridge: localnet.Bridge,
		Binds: []nspawn.Bind{
			{From: filepath.Join(c.folder(node), "docker"), To: "/var/lib/docker"},
			{From: filepath.Join(c.folder(node), "containers"), To: "/var/lib/containers"},
		},
	}
}

// network makes the cluster's network, and mends the faults that were laid in it.
func (c *Cluster) network(ctx context.Context, faults localnet.Faults) error {
	if err := c.namespace().Create(); err != nil {
		return err
	}
	if err := c.namespace().AddBridge(ctx, network); err != nil {
		return err
	}
	for _, slow := range faults.Slows {
		node, err := c.plan.node(slow.Machine)
		if err != nil {
			return err
		}
		if m, err := c.machine(node); err == nil && m.State() == nspawn.Running {
			if err := c.shape(ctx, node, localnet.Slow{}); err != nil {
				return err
			}
		}
	}
	return c.lay(ctx, localnet.Faults{})
}

// start boots or resumes the given machines, all at once.
func (c *Cluster) start(ctx context.Context, nodes []Node) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range nodes {
		group.Go(func() error {
			m, err := c.machine(node)
			if err != nil {
				return err
			}
			if m.State() == nspawn.Paused {
				return m.Resume(ctx)
			}
			return c.powerOn(ctx, m)
		})
	}
	return group.Wait()
}
