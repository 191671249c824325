package fleetctl

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	sshkeys "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// errUnknownHost ends what a user did not want to connect to.
var errUnknownHost = errors.New("its host key is not known, and was not accepted")

// acquaint asks the user about the key of a host that is not known yet, and keeps
// it if the answer is yes. OpenSSH asks too, but at a terminal only; fleet's users
// have always been able to answer on stdin, and with a y. The key comes from ssh
// itself, which takes the same way to the host that it will take afterwards and
// insists then on the key that was kept.
func (s *secureShell) acquaint(host string, port int, options []string) error {
	if !s.strict || s.silent {
		return nil
	}
	known, err := s.knownHostsFile()
	if err != nil || knows(known, host, port) {
		return err
	}
	lines, err := s.introduced(known, host, port, options)
	if err != nil || len(lines) == 0 {
		return err // ssh itself will say what is the matter, or has nothing against it
	}
	kind, fingerprint := "", ""
	if _, _, key, _, _, err := sshkeys.ParseKnownHosts(lines); err == nil {
		kind, fingerprint = keyKind(key.Type()), sshkeys.FingerprintSHA256(key)
	}
	fmt.Fprintf(s.err, "The authenticity of host '%s' can't be established.\n%s key fingerprint is %s.\nAre you sure you want to continue connecting (yes/no)? ", host, kind, fingerprint)
	if answer := strings.ToLower(firstLine(s.in)); answer != "yes" && answer != "y" {
		fmt.Fprintln(s.err)
		return fmt.Errorf("ssh to %s: %w", host, errUnknownHost)
	}
	file, err := os.OpenFile(known, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(lines)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("keep the host key of %s: %w", host, err)
	}
	return nil
}

// introduced has ssh begin a connection, and returns the lines that it would add
// to the known hosts. Nothing is logged in to: no way of that is tried.
func (s *secureShell) introduced(known, host string, port int, options []string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "fleetctl-")
	if err != nil {
		return nil, fmt.Errorf("keep the keys of hosts: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a key that is public
	added := filepath.Join(folder, "known_hosts")
	arguments := []string{
		"-o", "BatchMode=yes", "-o", "PreferredAuthentications=none", "-o", "LogLevel=QUIET",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no", "-o", "UpdateHostKeys=no",
		"-o", `UserKnownHostsFile="` + added + `"`,
		"-o", `GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2 "` + known + `"`,
		"-o", "User=" + s.username, "-o", s.connectTimeout(),
	}
	if port != 0 {
		arguments = append(arguments, "-p", strconv.Itoa(port))
	}
	ssh, err := secured(append(append(arguments, options...), "--", host, "true"))
	if err != nil {
		return nil, err
	}
	_ = ssh.Run() // it ends for want of a way to log in, if not before
	lines, err := os.ReadFile(added)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return lines, err
}

// knows says that a file has a key of the host, whichever.
func knows(file, host string, port int) bool {
	check, err := knownhosts.New(file)
	if err != nil {
		return false
	}
	if port == 0 {
		port = 22
	}
	any, err := sshkeys.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		return false
	}
	var differs *knownhosts.KeyError
	err = check(net.JoinHostPort(host, strconv.Itoa(port)), &net.TCPAddr{}, any)
	return errors.As(err, &differs) && len(differs.Want) > 0
}

// keyKind is what people call a type of keys.
func keyKind(name string) string {
	name = strings.TrimPrefix(name, "ssh-")
	if strings.HasPrefix(name, "ecdsa-") {
		name = "ecdsa"
	}
	return strings.ToUpper(name)
}

// firstLine reads a line and not a byte more: the rest may be a command's input.
func firstLine(in io.Reader) string {
	var line bytes.Buffer
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		if n == 1 && one[0] != '\n' {
			line.WriteByte(one[0])
		}
		if err != nil || n == 1 && one[0] == '\n' {
			return strings.TrimSpace(line.String())
		}
	}
}
