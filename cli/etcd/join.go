package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"argosy/cli"
	core "argosy/core/discovery"
	"argosy/edge/discovery"
	"argosy/edge/etcdnode"
)

// registeredFile, in the data directory, holds the discovery URL with which this
// machine has registered: one that restarts while it waits for the others is not
// taken for its own double, as etcd 2 did.
const registeredFile = "discovery"

// found is what discovery made of this machine.
type found int

const (
	isMember found = iota
	isProxy
)

// join has the machine find its cluster by its discovery URL, unless it has
// found it before. It says to faults what etcd 2 said.
func join(ctx context.Context, settings *etcdnode.Settings, faults io.Writer) (found, error) {
	say := func(format string, args ...any) { fmt.Fprintf(faults, "etcd: "+format+"\n", args...) }
	if log, is := settings.Initialized(); is {
		say("discovery token ignored since a cluster has already been initialized. Valid log found at %q", log)
		return isMember, nil
	}
	if file := clusterFile(settings); exists(file) {
		say("discovery token ignored since the proxy has already been initialized. Valid cluster file found at %q", file)
		return isProxy, nil
	}
	client, err := newClient(settings, faults)
	if err != nil {
		return isMember, cli.Coded(cli.ExitUsage, err)
	}
	note := filepath.Join(settings.Etcd.Dir, registeredFile)
	id, urls := settings.Registration()
	cluster, err := client.Join(ctx, discovery.Machine{
		ID: id, URLs: urls, Again: holds(note, settings.Discovery.URL),
		Registered: func() error { return write(note, settings.Discovery.URL) },
	})
	switch {
	case err == nil:
		settings.Found(cluster)
		return isMember, nil
	case errors.Is(err, core.ErrFullCluster) && settings.Discovery.Fallback == etcdnode.FallbackProxy:
		say("discovery cluster full, falling back to %s", etcdnode.FallbackProxy)
		return isProxy, nil
	case ctx.Err() == nil:
		advise(say, settings, err)
	}
	return isMember, fmt.Errorf("failed to join discovery cluster (%w)", err)
}

func newClient(settings *etcdnode.Settings, faults io.Writer) (*discovery.Client, error) {
	return discovery.NewClient(settings.Discovery.URL, settings.Discovery.Proxy, func(line string) {
		fmt.Fprintf(faults, "etcd: discovery: %s\n", line)
	})
}

// advise says what the user can do, in etcd 2's words.
func advise(say func(string, ...any), settings *etcdnode.Settings, err error) {
	url := settings.Discovery.URL
	switch {
	case errors.Is(err, core.ErrDuplicateID):
		say("member %q has previously registered with discovery service token (%s).", settings.Etcd.Name, url)
		say("But etcd could not find valid cluster configuration in the given data dir (%s).", settings.Etcd.Dir)
		say("Please check the given data dir path if the previous bootstrap succeeded")
		say("or use a new discovery token if the previous bootstrap failed.")
	case errors.Is(err, core.ErrDuplicateName):
		say("member with duplicated name has registered with discovery service token(%s).", url)
		say("please check (cURL) the discovery token for more information.")
		say("please do not reuse the discovery token and generate a new one to bootstrap the cluster.")
	default:
		say("discovery token %s was used, but failed to bootstrap the cluster.", url)
		say("please generate a new discovery token and try to bootstrap again.")
	}
}

func holds(name, text string) bool {
	held, err := os.ReadFile(name)
	return err == nil && string(held) == text
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
