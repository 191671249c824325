//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Quadlet files on a machine: a container with a volume and a network of its own,
// placed with them, shown under the files' names, and gone again.
func TestQuadlet(t *testing.T) {
	importBox(t)
	for name, text := range map[string]string{
		"box.container": "[Unit]\nDescription=Box %N\n[Container]\nImage=localhost/box\nExec=/bin/sh -c 'echo from a container; exec sleep 1000'\n" +
			"Volume=boxdata.volume:/data\nNetwork=boxnet.network\n[Service]\nTimeoutStopSec=5\nSuccessExitStatus=137\n[X-Fleet]\nMachineOf=boxdata.volume\n",
		"box.container.d/10-label.conf": "[Container]\nPodmanArgs=--stop-timeout=1\nLabel=from=drop-in\n",
		"boxdata.volume":                "[Volume]\n",
		"boxnet.network":                "[Network]\nDisableDNS=true\n[X-Fleet]\nMachineOf=boxdata.volume\n",
		"many@.container":               "[Container]\nImage=localhost/box\nExec=sleep 1000\nPodmanArgs=--stop-timeout=1\n[X-Fleet]\nConflicts=many@*.container\n",
		"bad.container":                 "[Container]\nImage=localhost/box\nPort=80\n",
		"box.service":                   sleeper,
	} {
		cluster.mustWrite(t, "core-01", "/home/core/quadlet/"+name, text)
	}
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy box.container boxdata.volume boxnet.network many@1.container many@2.container bad.container; sudo rm -rf quadlet")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo podman volume rm -f systemd-boxdata; sudo podman network rm -f systemd-boxnet; sudo podman rmi -af")
		}
	})
	must := func(line, says string) string {
		t.Helper()
		out := cluster.must(t, "core-01", "cd quadlet && "+line)
		if !strings.Contains(out, says) {
			t.Fatalf("core-01 $ %s\nprinted\n%s\nexpected %q", line, out, says)
		}
		return out
	}
	must("fleetctl start boxdata.volume && fleetctl start boxnet.network box.container", "Unit box.container launched on ")
	must("fleetctl list-units --fields unit,load,active,sub --no-legend | tr '\\t' ' ' | tr -s ' '", "box.container loaded active running\nboxdata.volume loaded active exited\nboxnet.network loaded active exited\n")
	must("fleetctl list-unit-files --fields unit,desc --no-legend", "Box box\n")
	must("fleetctl status box.container", "box.service")
	must("fleetctl journal --lines 50 box.container", "from a container")
	must("fleetctl cat box.container | cmp - box.container", "")
	machine, _ := cluster.shown(t, "box.container")
	label := func(want string) {
		t.Helper()
		if out := cluster.must(t, machine, "sudo podman ps --filter name=systemd-box --format '{{.Labels.from}}'"); out != want+"\n" {
			t.Errorf("the container's label is %q, expected %q", out, want)
		}
	}
	label("drop-in")

	// A restart of fleetd is not felt; another drop-in is another unit.
	pid := "systemctl show -P MainPID box.service"
	before := cluster.must(t, machine, pid)
	cluster.must(t, machine, "sudo systemctl restart fleet")
	eventually(t, 30*time.Second, func() error {
		if out := cluster.shell(t, "core-01", "fleetctl list-units --fields unit,sub --no-legend"); !strings.Contains(out.stdout, "box.container\trunning") {
			return fmt.Errorf("list-units shows\n%s%s", out.stdout, out.stderr)
		}
		return nil
	})
	if after := cluster.must(t, machine, pid); after != before {
		t.Errorf("the container's process was %s and is %s after a restart of fleetd", before, after)
	}
	must("sed -i s/from=drop-in/from=another/ box.container.d/10-label.conf && fleetctl start --replace box.container", "Unit box.container launched on ")
	label("another")
	must("fleetctl restart box.container", "box.container")
	if out := cluster.shell(t, "core-01", "cd quadlet && fleetctl submit box.service"); out.code != 1 ||
		!strings.Contains(out.stderr, "unit box.service would be box.service on its machine, and so would box.container, which is in the cluster") {
		t.Errorf("a service beside its container: exit %d\n%s", out.code, out.stderr)
	}

	must("fleetctl start many@1.container many@2.container", "Unit many@2.container launched on ")
	must("fleetctl list-units --fields unit,active --no-legend | grep -c 'many@.*active'", "2")
	if out := cluster.shell(t, "core-01", "cd quadlet && fleetctl start --timeout 20s bad.container"); out.code != 1 ||
		!strings.Contains(out.stderr, "unsupported key 'Port' in group 'Container'") {
		t.Errorf("a file that Podman refuses: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}

	must("fleetctl stop box.container", "")
	must("fleetctl list-units --fields unit,active --no-legend | tr '\\t' ' ' | tr -s ' '", "box.container inactive\n")
	must("fleetctl destroy box.container boxdata.volume boxnet.network many@1.container many@2.container bad.container", "Destroyed box.container")
	for _, machine := range allMachines {
		left := "find /run/containers/systemd /run/systemd/generator /run/fleet/units -name '*box*' -o -name '*many@*' -o -name 'bad.*' 2>/dev/null; systemctl list-units --all --no-legend 'box*' 'many@*' 'bad*'; sudo podman ps -aq"
		if out := cluster.must(t, machine, left+"; true"); out != "" {
			t.Errorf("left on %s:\n%s", machine, out)
		}
	}
}

// importBox gives every machine's Podman the image localhost/box.
func importBox(t *testing.T) {
	t.Helper()
	for _, machine := range allMachines {
		out := cluster.run(t, rootfs(t), cluster.argosy, "ssh", "--name", cluster.name, machine, "--", "sudo podman import - localhost/box")
		if out.code != 0 {
			t.Fatalf("podman import on %s: exit %d\n%s%s", machine, out.code, out.stdout, out.stderr)
		}
	}
}

// mustWrite puts a file of core's on a machine, in folders that are made for it.
func (c local) mustWrite(t *testing.T, machine, path, text string) {
	t.Helper()
	c.must(t, machine, "mkdir -p $(dirname "+path+")")
	c.write(t, machine, path, text)
}

// A machine without Podman takes no Quadlet files: it says so when fleetd starts.
func TestQuadletNeedsPodman(t *testing.T) {
	podman := func(from, to string) {
		t.Helper()
		for _, machine := range allMachines {
			cluster.must(t, machine, "sudo mv /usr/bin/"+from+" /usr/bin/"+to+" && sudo systemctl restart fleet")
		}
	}
	podman("podman", "podman.away")
	t.Cleanup(func() {
		podman("podman.away", "podman")
		cluster.shell(t, "core-01", "fleetctl destroy lone.volume; rm -f lone.volume")
		cluster.whole(t, "hello@", 3)
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo podman volume rm -f systemd-lone")
		}
	})
	cluster.write(t, "core-01", "/home/core/lone.volume", "[Volume]\n")
	eventually(t, time.Minute, func() error {
		if out := cluster.shell(t, "core-01", "fleetctl list-machines -o json"); out.code != 0 || strings.Contains(out.stdout, `"podman"`) {
			return fmt.Errorf("list-machines: exit %d\n%s%s", out.code, out.stdout, out.stderr)
		}
		return nil
	})
	out := cluster.shell(t, "core-01", "fleetctl start lone.volume")
	if out.code != 4 || !strings.Contains(out.stderr, "no Podman") {
		t.Errorf("a Quadlet file without Podman: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}
