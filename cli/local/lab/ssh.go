package lab

import (
	"context"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Run runs one command as root on a machine, past ssh, and returns what it wrote
// and its exit code; err is about running it, see nspawn.Machine.Run.
func (c *Cluster) Run(ctx context.Context, machine string, argv ...string) ([]byte, int, error) {
	node, err := c.plan.node(machine)
	if err != nil {
		return nil, 0, err
	}
	m, err := c.machine(node)
	if err != nil {
		return nil, 0, err
	}
	return m.Run(ctx, argv...)
}

// SSH becomes an OpenSSH client that is connected to a machine as core; it
// returns only if that cannot be. options are ssh's own; no command is a shell.
func (c *Cluster) SSH(machine string, options, command []string, environ []string) error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	node, err := c.plan.node(machine)
	if err != nil {
		return err
	}
	m, err := c.machine(node)
	if err != nil {
		return err
	}
	if _, err := m.Leader(); err != nil {
		return err // ssh would wait for an answer that cannot come
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	if err := c.namespace().Enter(); err != nil {
		return err
	}
	return unix.Exec(program, c.sshArguments(node, options, command), environ)
}

// sshArguments are those of ssh(1): the cluster's key and the machines' keys and
// nothing of the user's own configuration.
func (c *Cluster) sshArguments(node Node, options, command []string) []string {
	argv := []string{
		"ssh", "-F", "/dev/null", "-i", c.path("id_ed25519"),
		"-o", "IdentitiesOnly=yes", "-o", "HostKeyAlias=" + node.Name,
		"-o", "UserKnownHostsFile=" + c.path("known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR",
	}
	argv = append(argv, options...)
	argv = append(argv, "--", "core@"+node.Address.String())
	switch len(command) {
	case 0:
		return argv
	case 1:
		return append(argv, command[0]) // a line for the machine's shell
	}
	var line []string
	for _, word := range command {
		line = append(line, quoted(word))
	}
	return append(argv, strings.Join(line, " "))
}

// quoted is word as a shell reads it back unchanged. ssh sends a command as one
// line, so words would otherwise be split and expanded a second time.
func quoted(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// takesValue are the letters of ssh(1)'s options that a value follows.
const takesValue = "BbcDEeFIiJLlmOoPpQRSWw"

// SplitOptions splits words into ssh's own options, which come first, and the
// command.
func SplitOptions(words []string) (options, command []string) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" {
			return words[:i], words[i+1:]
		}
		if len(word) < 2 || word[0] != '-' {
			return words[:i], words[i:]
		}
		// The value is the rest of the word, or the next one.
		if at := strings.IndexAny(word[1:], takesValue); at == len(word)-2 {
			i++
		}
	}
	return words, nil
}
