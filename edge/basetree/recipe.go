// Package basetree builds the read-only Debian tree that all local machines are
// layered over, and keeps it in a cache under a name that says what is in it.
package basetree

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"runtime"
)

// Recipe is all that decides what is in a tree.
type Recipe struct {
	Suite    string
	Arch     string // Go's word for it
	Packages []string
	Commands [][]string        // run in the tree, in order, after the packages
	Masked   []string          // units that never start
	Files    map[string]string // path from the root to text
	Removed  []string          // paths that each machine must have of its own, or not at all
}

//go:embed all:files
var files embed.FS

// Users that files of a machine belong to. The numbers are fixed, because the
// files are written from outside, where the names mean nothing.
const (
	EtcdID     = 970 // runs etcd, may read the machine's key
	EndpointID = 971 // runs the relay, may read the relay's key alone
	FleetID    = 972 // group: may use fleet's socket
	CoreID     = 500 // the guides' user
)

// Debian13 is the tree of today's machines.
func Debian13() (Recipe, error) {
	recipe := Recipe{
		Suite: "trixie",
		Arch:  runtime.GOARCH,
		Packages: []string{
			"systemd", "systemd-sysv", "dbus", "udev", "sudo", "openssh-server",
			"docker.io", "docker-cli", "podman", "crun", "netavark", "aardvark-dns", "passt",
			"iproute2", "iputils-ping", "iptables", "nftables", "ca-certificates", "curl",
			"etcd-client", "less", "procps", "nano", "vim-tiny",
		},
		Commands: [][]string{
			{"groupadd", "--system", "--gid", "970", "etcd"},
			{"useradd", "--system", "--uid", "970", "--gid", "970", "--home-dir", "/var/lib/etcd", "--no-create-home", "--shell", "/usr/sbin/nologin", "etcd"},
			{"groupadd", "--system", "--gid", "971", "argosy-endpoint"},
			{"useradd", "--system", "--uid", "971", "--gid", "971", "--home-dir", "/nonexistent", "--no-create-home", "--shell", "/usr/sbin/nologin", "argosy-endpoint"},
			{"groupadd", "--system", "--gid", "972", "fleet"},
			{"groupadd", "--gid", "500", "core"},
			{"useradd", "--uid", "500", "--gid", "500", "--groups", "adm,docker,fleet,sudo,systemd-journal", "--create-home", "--shell", "/bin/bash", "core"},
			// Docker starts when its socket is first used, as on CoreOS.
			{"systemctl", "disable", "docker.service", "containerd.service", "netavark-dhcp-proxy.socket"},
			{"systemctl", "enable", "docker.socket", "ssh.service", "systemd-networkd.service"},
		},
		Masked: []string{
			"systemd-networkd-wait-online.service", // waits for ever where no udev runs
			"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
			"sys-kernel-debug.mount", "sys-kernel-tracing.mount", // the host's, not a machine's
			"console-getty.service", // nobody sits there
		},
		Removed: []string{
			"etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/lib/dbus/machine-id",
			"etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub",
			"etc/ssh/ssh_host_ecdsa_key", "etc/ssh/ssh_host_ecdsa_key.pub",
			"etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub",
			"var/cache/apt/archives",
		},
		Files: map[string]string{},
	}
	root, err := fs.Sub(files, "files")
	if err != nil {
		return Recipe{}, err
	}
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, path)
		recipe.Files[path] = string(text)
		return err
	})
	return recipe, err
}

// Key names the tree that the recipe makes: any change of it is another tree.
func (r Recipe) Key() string {
	text, err := json.Marshal(r) // of strings: it cannot go wrong; keys of maps are sorted
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return r.Suite + "-" + hex.EncodeToString(sum[:6])
}
