package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/host"
)

// Files that a machine of a cluster has beside its certificates.
const (
	etcdFile     = "/etc/etcd/etcd.env"
	endpointFile = "/etc/argosy/endpoint.env"
	fleetFile    = "/etc/fleet/fleet.conf"
	// journeyFile is there while a machine is on its way into a cluster.
	journeyFile = "/etc/argosy/joining.json"
	// storeFolder is etcd's own.
	storeFolder = "/var/lib/etcd/member"
)

// journey is what init or join has decided, so that one that was interrupted goes on
// with the same. There is no secret in it.
type journey struct {
	Verb    string `json:"verb"` // init or join
	Name    string `json:"name"` // the machine's
	Address string `json:"address"`
	Member  bool   `json:"member"`
	// Members are the client URLs of the store's, Initial its members as etcd takes
	// them, and LearnerID what is to be promoted, where there were members before.
	Members   []string `json:"members"`
	Initial   string   `json:"initial_cluster,omitempty"`
	LearnerID uint64   `json:"learner,omitempty"`
}

func clientURL(address string) string { return "https://" + net.JoinHostPort(address, "2379") }
func peerURL(address string) string   { return "https://" + net.JoinHostPort(address, access.PeerPort) }

// etcdEnvironment is etcd's own configuration by environment: each of its flags as
// ETCD_ and its name.
func (j journey) etcdEnvironment() string {
	state := "existing"
	if j.LearnerID == 0 {
		state = "new"
	}
	pki := authority.DefaultFolder
	return lines(
		"ETCD_NAME="+j.Name,
		"ETCD_DATA_DIR=/var/lib/etcd",
		"ETCD_LISTEN_CLIENT_URLS="+clientURL(j.Address),
		"ETCD_ADVERTISE_CLIENT_URLS="+clientURL(j.Address),
		"ETCD_LISTEN_PEER_URLS="+peerURL(j.Address),
		"ETCD_INITIAL_ADVERTISE_PEER_URLS="+peerURL(j.Address),
		"ETCD_INITIAL_CLUSTER="+j.Initial,
		"ETCD_INITIAL_CLUSTER_STATE="+state,
		"ETCD_TRUSTED_CA_FILE="+pki.BundleFile(),
		"ETCD_CERT_FILE="+pki.CertificateFile(authority.MachineName),
		"ETCD_KEY_FILE="+pki.KeyFile(authority.MachineName),
		"ETCD_CLIENT_CERT_AUTH=true",
		"ETCD_ENABLE_GUARD=true",
		"ETCD_PEER_TRUSTED_CA_FILE="+string(pki)+"/peer-ca.crt",
		"ETCD_PEER_CERT_FILE="+pki.CertificateFile(authority.PeerName),
		"ETCD_PEER_KEY_FILE="+pki.KeyFile(authority.PeerName),
		"ETCD_PEER_CLIENT_CERT_AUTH=true",
	)
}

// members are all that this machine asks for the store: a member itself first.
func (j journey) members() string {
	all := j.Members
	if j.Member {
		all = []string{clientURL(j.Address)}
		for _, other := range j.Members {
			if other != all[0] {
				all = append(all, other)
			}
		}
	}
	return strings.Join(all, ",")
}

func (j journey) endpointEnvironment() string {
	return lines("ARGOSY_ENDPOINT_MEMBERS=" + j.members())
}

func (j journey) fleetConf() string {
	pki := authority.DefaultFolder
	return lines(
		fmt.Sprintf("etcd_servers=%q", j.members()),
		fmt.Sprintf("etcd_cafile=%q", pki.BundleFile()),
		fmt.Sprintf("etcd_certfile=%q", pki.CertificateFile(authority.MachineName)),
		fmt.Sprintf("etcd_keyfile=%q", pki.KeyFile(authority.MachineName)),
		fmt.Sprintf("public_ip=%q", j.Address),
		fmt.Sprintf(`member="%t"`, j.Member),
	)
}

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

// write writes what is missing of a machine's files. What an admin has put there
// before stays: it is theirs.
func (j journey) write() error {
	files := map[string]string{endpointFile: j.endpointEnvironment(), fleetFile: j.fleetConf()}
	if j.Member {
		files[etcdFile] = j.etcdEnvironment()
	}
	for name, text := range files {
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if err := writeWhole(name, text); err != nil {
			return err
		}
	}
	return nil
}

// save records the journey before anything else is written.
func (j journey) save() error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(journeyFile, string(text)+"\n")
}

// begun is the verb's journey that was interrupted here, if one was; another verb's is
// an error.
func begun(verb string) (j journey, found bool, err error) {
	text, err := os.ReadFile(journeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return j, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		return j, false, fmt.Errorf("read what was begun here (%s): %w", journeyFile, err)
	}
	if j.Verb != verb {
		return j, false, fmt.Errorf("this machine is in the middle of `argosy %s` (%s): that goes on when it is called again", j.Verb, journeyFile)
	}
	return j, true, nil
}

// arrived ends the journey.
func arrived() error { return os.Remove(journeyFile) }

// strange refuses a machine on which something of a cluster is left.
func strange() error {
	for _, name := range []string{string(authority.DefaultFolder), etcdFile, endpointFile, storeFolder, host.MembersFile} {
		if _, err := os.Stat(name); err == nil {
			return fmt.Errorf("this machine is in a cluster already, or was: %s is there; nothing was changed", name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeWhole writes a file that no crash leaves half of.
func writeWhole(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(file.Name()))
	}
	return nil
}
