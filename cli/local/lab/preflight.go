package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"argosy/edge/nspawn"
)

// need is a program, and the Debian package that has it.
type need struct{ program, packaged string }

var (
	needs = []need{
		{"systemd-nspawn", "systemd-container"}, {"ip", "iproute2"}, {"tc", "iproute2"},
		{"nft", "nftables"}, {"ssh", "openssh-client"}, {"nsenter", "util-linux"},
	}
	buildNeeds = []need{{"debootstrap", "debootstrap"}}
)

// keyring is what the base tree's packages are checked with.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Preflight says what this host lacks for a local cluster, and what to do about
// it; all that is missing is named at once.
func Preflight() error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	var faults []error
	faults = append(faults, missing(needs))
	if _, err := nspawn.CgroupAt(); err != nil {
		faults = append(faults, err)
	}
	for _, feature := range []struct{ path, name, config string }{
		{"/proc/self/ns/net", "network namespaces", "CONFIG_NET_NS"},
		{"/proc/self/ns/pid", "process namespaces", "CONFIG_PID_NS"},
		{"/proc/self/ns/cgroup", "cgroup namespaces", "CONFIG_CGROUPS"},
	} {
		if _, err := os.Stat(feature.path); err != nil {
			faults = append(faults, fmt.Errorf("the kernel has no %s (%s)", feature.name, feature.config))
		}
	}
	if !hasFileSystem("overlay") {
		faults = append(faults, errors.New("the kernel has no overlay file system: modprobe overlay (CONFIG_OVERLAY_FS)"))
	}
	return errors.Join(faults...)
}

// canBuild says what is missing for building a base tree.
func canBuild() error {
	lacking := missing(buildNeeds)
	if _, err := os.Stat(keyring); err != nil {
		lacking = errors.Join(lacking, errors.New("the keys of Debian's packages are missing: apt-get install -y debian-archive-keyring"))
	}
	return lacking
}

func mustBeRoot() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("local machines need root: sudo %s", strings.Join(os.Args, " "))
	}
	return nil
}

// missing is one error with the command that installs all that is not there.
func missing(needs []need) error {
	var programs, packages []string
	for _, n := range needs {
		if _, err := exec.LookPath(n.program); err != nil {
			programs = append(programs, n.program)
			packages = append(packages, n.packaged)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	slices.Sort(packages)
	return fmt.Errorf("missing: %s: apt-get install -y %s", strings.Join(programs, ", "), strings.Join(slices.Compact(packages), " "))
}

// hasFileSystem asks the kernel, which may first have to load a module.
func hasFileSystem(name string) bool {
	for range 2 {
		known, err := os.ReadFile("/proc/filesystems")
		if err == nil && slices.Contains(strings.Fields(string(bytes.ReplaceAll(known, []byte("nodev"), nil))), name) {
			return true
		}
		_ = exec.Command("modprobe", name).Run() //nolint:noctx // what it could not do shows in the second look
	}
	return false
}

func isNotEmpty(err error) bool {
	return errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST)
}
