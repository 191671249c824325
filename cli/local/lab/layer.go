package lab

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"argosy/core/access"
	"argosy/edge/basetree"
	"argosy/examples"
	"argosy/os/units"
)

// file is one file or link of a layer, by its path from the machine's root.
type file struct {
	path string
	text string
	link string // where it points to; then it has no text
	mode fs.FileMode
	gid  int
}

func plain(path, text string) file    { return file{path: path, text: text, mode: 0o644} }
func linked(path, target string) file { return file{path: path, link: target} }

// commands are the names under which the binary is found on a machine.
var commands = []string{"fleetctl", "fleetd", "etcd"}

// commonFiles are the same on all machines of a cluster.
func commonFiles(plan Plan, authorizedKey string) ([]file, error) {
	files := []file{
		plain("etc/hosts", hosts(plan)),
		plain("etc/ssh/authorized_keys.d/core", authorizedKey),
		plain(examplesDir+"/hello@.service", examples.Hello),
	}
	for _, name := range commands {
		files = append(files, linked("usr/bin/"+name, "argosy"))
	}
	entries, err := fs.Glob(units.Files, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		text, err := fs.ReadFile(units.Files, name)
		if err != nil {
			return nil, err
		}
		files = append(files, plain("usr/lib/systemd/system/"+name, string(text)))
	}
	return files, nil
}

// secrets are what a machine has to itself.
type secrets struct {
	hostKey, hostKeyPublic string  // sshd's
	authority              keyPair // the cluster's; its key on members only
	machine, endpoint      keyPair
	peers, peer            keyPair // the members' own authority, and the certificate of this one
	sealing                string  // the members' key for the cluster's secrets
}

// nodeFiles are those of one machine.
func nodeFiles(plan Plan, node Node, own secrets) []file {
	const pki = "etc/argosy/pki/"
	files := []file{
		plain("etc/hostname", node.Name+"\n"),
		plain("etc/machine-id", node.ID+"\n"),
		plain("etc/systemd/network/10-host0.network", hostNetwork(node)),
		{path: "etc/ssh/ssh_host_ed25519_key", text: own.hostKey, mode: 0o600},
		plain("etc/ssh/ssh_host_ed25519_key.pub", own.hostKeyPublic),
		plain(pki+"ca.crt", own.authority.cert),
		plain(pki+"machine.crt", own.machine.cert),
		{path: pki + "machine.key", text: own.machine.key, mode: 0o640, gid: basetree.EtcdID},
		plain(pki+"local.crt", own.endpoint.cert),
		{path: pki + "local.key", text: own.endpoint.key, mode: 0o640, gid: basetree.EndpointID},
		plain("etc/argosy/endpoint.env", "ARGOSY_ENDPOINT_MEMBERS="+clientURLs(plan)+"\n"),
		plain("etc/fleet/fleet.conf", fleetConf(plan, node)),
	}
	wanted := []string{"multi-user.target.wants/etcd-endpoint.service", "multi-user.target.wants/fleet.service", "sockets.target.wants/fleet.socket"}
	if node.Member {
		files = append(files,
			plain("etc/etcd/etcd.env", etcdEnvironment(plan, node)),
			file{path: pki + "ca.key", text: own.authority.key, mode: 0o600},
			file{path: pki + "secrets.key", text: own.sealing, mode: 0o600},
			plain(pki+"peer-ca.crt", own.peers.cert),
			file{path: pki + "peer-ca.key", text: own.peers.key, mode: 0o600},
			plain(pki+"peer.crt", own.peer.cert),
			file{path: pki + "peer.key", text: own.peer.key, mode: 0o640, gid: basetree.EtcdID})
		wanted = append(wanted, "multi-user.target.wants/etcd.service")
	}
	for _, unit := range wanted {
		files = append(files, linked("etc/systemd/system/"+unit, "/usr/lib/systemd/system/"+filepath.Base(unit)))
	}
	return files
}

func hosts(plan Plan) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, node := range plan.Machines {
		fmt.Fprintf(&b, "%s %s\n", node.Address, node.Name)
	}
	return b.String()
}

// hostNetwork is for systemd-networkd. There is no gateway: the network ends at
// the bridge, and a connection beyond is refused at once instead of timing out.
func hostNetwork(node Node) string {
	return fmt.Sprintf("[Match]\nName=host0\n\n[Network]\nAddress=%s/%d\nIPv6AcceptRA=no\n", node.Address, network.Bits())
}

func clientURL(node Node) string { return "https://" + node.Address.String() + ":2379" }
func peerURL(node Node) string   { return "https://" + node.Address.String() + ":" + access.PeerPort }

func clientURLs(plan Plan) string {
	var urls []string
	for _, node := range plan.members() {
		urls = append(urls, clientURL(node))
	}
	return strings.Join(urls, ",")
}

// etcdEnvironment is etcd's own configuration by environment: each of its flags
// as ETCD_ and its name.
func etcdEnvironment(plan Plan, node Node) string {
	var peers []string
	for _, member := range plan.members() {
		peers = append(peers, member.Name+"="+peerURL(member))
	}
	return strings.Join([]string{
		"ETCD_NAME=" + node.Name,
		"ETCD_DATA_DIR=/var/lib/etcd",
		"ETCD_LISTEN_CLIENT_URLS=" + clientURL(node),
		"ETCD_ADVERTISE_CLIENT_URLS=" + clientURL(node),
		"ETCD_LISTEN_PEER_URLS=" + peerURL(node),
		"ETCD_INITIAL_ADVERTISE_PEER_URLS=" + peerURL(node),
		"ETCD_INITIAL_CLUSTER=" + strings.Join(peers, ","),
		"ETCD_INITIAL_CLUSTER_STATE=new",
		"ETCD_INITIAL_CLUSTER_TOKEN=" + plan.Name + "-" + plan.Token,
		"ETCD_TRUSTED_CA_FILE=/etc/argosy/pki/ca.crt",
		"ETCD_CERT_FILE=/etc/argosy/pki/machine.crt",
		"ETCD_KEY_FILE=/etc/argosy/pki/machine.key",
		"ETCD_CLIENT_CERT_AUTH=true",
		"ETCD_ENABLE_GUARD=true",
		"ETCD_PEER_TRUSTED_CA_FILE=/etc/argosy/pki/peer-ca.crt",
		"ETCD_PEER_CERT_FILE=/etc/argosy/pki/peer.crt",
		"ETCD_PEER_KEY_FILE=/etc/argosy/pki/peer.key",
		"ETCD_PEER_CLIENT_CERT_AUTH=true",
	}, "\n") + "\n"
}

func fleetConf(plan Plan, node Node) string {
	return strings.Join([]string{
		fmt.Sprintf("etcd_servers=%q", clientURLs(plan)),
		`etcd_cafile="/etc/argosy/pki/ca.crt"`,
		`etcd_certfile="/etc/argosy/pki/machine.crt"`,
		`etcd_keyfile="/etc/argosy/pki/machine.key"`,
		fmt.Sprintf("public_ip=%q", node.Address),
		`agent_ttl="10s"`,
		fmt.Sprintf(`member="%t"`, node.Member),
	}, "\n") + "\n"
}

// writeLayer writes files into dir, which is there as a whole or not at all.
func writeLayer(dir string, files []file) error {
	next := dir + ".next"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.write(next); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(next, dir)
}

func (f file) write(dir string) error {
	path := filepath.Join(dir, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if f.link != "" {
		return os.Symlink(f.link, path)
	}
	if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
		return err
	}
	if err := os.Chmod(path, f.mode); err != nil { // whatever the umask is
		return err
	}
	if f.gid == 0 {
		return nil
	}
	return os.Chown(path, 0, f.gid)
}
