package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/sealing"
)

// sshKey makes a key pair in OpenSSH's formats.
func sshKey(comment string) (private, public string, err error) {
	publicKey, privateKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(privateKey, comment)
	if err != nil {
		return "", "", err
	}
	key, err := ssh.NewPublicKey(publicKey)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment + "\n", nil
}

// identity is the cluster's own key for core, made once; it returns the public
// half. The private one is written last: where it is, all is.
func (c *Cluster) identity() (string, error) {
	if public, err := os.ReadFile(c.path("id_ed25519.pub")); err == nil {
		if _, err := os.Stat(c.path("id_ed25519")); err == nil {
			return string(public), nil
		}
	}
	private, public, err := sshKey("argosy-" + c.plan.Name)
	if err != nil {
		return "", fmt.Errorf("make an ssh key: %w", err)
	}
	if err := os.WriteFile(c.path("id_ed25519.pub"), []byte(public), 0o644); err != nil {
		return "", err
	}
	return public, writeWhole(c.path("id_ed25519"), private, 0o600)
}

// authorities are a cluster's two: the members of its store know each other by one
// that nobody else has a certificate of. With them goes what opens the secrets.
type authorities struct {
	cluster, peers *authority.Authority
	sealing        string
}

// certificates opens the cluster's authorities, which are made when first asked for.
func (c *Cluster) certificates() (all authorities, err error) {
	if all.cluster, err = openAuthority(c.path("authority")); err != nil {
		return all, err
	}
	if all.peers, err = openAuthority(c.path("authority/peers")); err != nil {
		return all, err
	}
	all.sealing, err = c.sealing()
	return all, err
}

// sealing is the members' key for secrets, made when first asked for.
func (c *Cluster) sealing() (string, error) {
	at := c.path("authority/secrets.key")
	if err := sealing.File(at).Create(); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	text, err := os.ReadFile(at)
	return string(text), err
}

func openAuthority(dir string) (*authority.Authority, error) {
	made, err := authority.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return authority.Create(dir)
	}
	return made, err
}

// keyPair is a certificate and its key, or an authority's, in PEM.
type keyPair struct{ cert, key string }

func issue(by *authority.Authority, who access.Identity, hosts []string) (keyPair, error) {
	cert, key, err := by.Issue(who, hosts)
	return keyPair{string(cert), string(key)}, err
}

// newSecrets makes what node has to itself.
func newSecrets(by authorities, node Node) (own secrets, err error) {
	if own.hostKey, own.hostKeyPublic, err = sshKey(node.Name); err != nil {
		return own, fmt.Errorf("make the ssh host key of %s: %w", node.Name, err)
	}
	own.authority.cert = string(by.cluster.Certificate())
	kind, hosts := access.Worker, []string{node.Name, node.Address.String(), "localhost", "127.0.0.1"}
	if node.Member {
		kind = access.Member
		if err := own.addPeer(by, node, hosts); err != nil {
			return own, err
		}
	}
	if own.machine, err = issue(by.cluster, access.Identity{Kind: kind, Name: node.ID}, hosts); err != nil {
		return own, err
	}
	own.endpoint, err = issue(by.cluster, access.Identity{Kind: access.Local, Name: node.ID}, nil)
	return own, err
}

// addPeer makes what only members have: a certificate for each other, and the keys
// of both authorities.
func (own *secrets) addPeer(by authorities, node Node, hosts []string) error {
	clusterKey, err := by.cluster.Key()
	if err != nil {
		return err
	}
	peersKey, err := by.peers.Key()
	if err != nil {
		return err
	}
	own.authority.key, own.sealing = string(clusterKey), by.sealing
	own.peers = keyPair{string(by.peers.Certificate()), string(peersKey)}
	own.peer, err = issue(by.peers, access.Identity{Kind: access.Member, Name: node.ID}, hosts)
	return err
}

// writeWhole replaces a file as a whole, so that no crash leaves half of it.
func writeWhole(path, text string, mode fs.FileMode) error {
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// knownHosts lists every machine's host key as ssh reads them.
func (c *Cluster) knownHosts() (string, error) {
	var b strings.Builder
	for _, node := range c.plan.Machines {
		key, err := os.ReadFile(filepath.Join(c.layer(node), "etc/ssh/ssh_host_ed25519_key.pub"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %s", node.Name, key)
	}
	return b.String(), nil
}
