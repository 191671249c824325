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

	"argosy/edge/authority"
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

// certificates opens the cluster's authority, which is made when first asked for.
func (c *Cluster) certificates() (*authority.Authority, error) {
	dir := c.path("authority")
	made, err := authority.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return authority.Create(dir)
	}
	return made, err
}

// newSecrets makes what node has to itself.
func newSecrets(ca *authority.Authority, node Node) (own secrets, err error) {
	if own.hostKey, own.hostKeyPublic, err = sshKey(node.Name); err != nil {
		return own, fmt.Errorf("make the ssh host key of %s: %w", node.Name, err)
	}
	own.authority = string(ca.Certificate())
	cert, key, err := ca.Issue(node.Name, []string{node.Name, node.Address.String(), "localhost", "127.0.0.1"}, authority.ClientAndServer)
	if err != nil {
		return own, err
	}
	own.machineCert, own.machineKey = string(cert), string(key)
	cert, key, err = ca.Issue("local", nil, authority.ClientOnly)
	own.endpointCert, own.endpointKey = string(cert), string(key)
	return own, err
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
