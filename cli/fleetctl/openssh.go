package fleetctl

import (
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// secureShell is how OpenSSH is to be used: its own program, so that agents,
// keys, and what the user has configured work as everywhere else.
type secureShell struct {
	username   string
	timeout    float64 // seconds
	strict     bool    // about host keys
	knownHosts string
	tunnel     string // HOST[:PORT] to go through; empty for none

	in     io.Reader // where the user answers
	err    io.Writer // where the user is asked
	silent bool      // the user is not to be asked anything
}

func (s *secureShell) flags(flags *pflag.FlagSet) {
	flags.StringVar(&s.tunnel, "tunnel", "", "reach the cluster by way of ssh to this `HOST[:PORT]`")
	flags.StringVar(&s.username, "ssh-username", "core", "whom to be on other machines")
	flags.Float64Var(&s.timeout, "ssh-timeout", 10, "seconds to wait for an ssh connection")
	flags.BoolVar(&s.strict, "strict-host-key-checking", true, "ask about unknown host keys, and refuse those that have changed; false to look at none")
	flags.StringVar(&s.knownHosts, "known-hosts-file", "~/.fleetctl/known_hosts", "where the keys of hosts are kept")
}

// knownHostsFile is where the keys of hosts are kept. Its folder is there then.
func (s *secureShell) knownHostsFile() (string, error) {
	known := s.knownHosts
	if rest, home := strings.CutPrefix(known, "~/"); home {
		folder, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find --known-hosts-file: %w", err)
		}
		known = filepath.Join(folder, rest)
	}
	if err := os.MkdirAll(filepath.Dir(known), 0o700); err != nil {
		return "", fmt.Errorf("keep the keys of hosts: %w", err)
	}
	return known, nil
}

// connectTimeout is in whole seconds; ssh knows no others.
func (s *secureShell) connectTimeout() string {
	return fmt.Sprintf("ConnectTimeout=%.0f", math.Max(1, math.Ceil(s.timeout)))
}

// options are those of every connection, see ssh_config(5).
func (s *secureShell) options() ([]string, error) {
	options := []string{"-o", "User=" + s.username, "-o", s.connectTimeout()}
	if s.strict {
		known, err := s.knownHostsFile()
		if err != nil {
			return nil, err
		}
		options = append(options, "-o", "StrictHostKeyChecking=ask", "-o", `UserKnownHostsFile="`+known+`"`)
	} else {
		// Where ssh finds that a key has changed it forwards nothing, so it is
		// given no keys to compare with; it would tell that it has learnt one.
		options = append(options, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			"-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
	}
	if s.silent {
		options = append(options, "-o", "BatchMode=yes")
	}
	return options, nil
}

// to makes the arguments of ssh to host: more options, then what to run there.
func (s *secureShell) to(host string, port int, options []string, command ...string) ([]string, error) {
	arguments, err := s.options()
	if err != nil {
		return nil, err
	}
	if port != 0 {
		arguments = append(arguments, "-p", strconv.Itoa(port))
	}
	arguments = append(arguments, options...)
	return append(append(arguments, "--", host), command...), nil
}

// through makes the option that leads a connection by way of the tunnel's host.
// ssh's own -J would use other options for that than were asked for.
func (s *secureShell) through() ([]string, error) {
	if s.tunnel == "" {
		return nil, nil
	}
	host, port, err := hostPort(s.tunnel)
	if err != nil {
		return nil, err
	}
	if err := s.acquaint(host, port, nil); err != nil {
		return nil, err
	}
	arguments, err := s.to(host, port, []string{"-W", "\x00"})
	if err != nil {
		return nil, err
	}
	command := "ssh"
	for _, argument := range arguments {
		quoted := `'` + strings.ReplaceAll(strings.ReplaceAll(argument, `'`, `'\''`), "%", "%%") + `'`
		command += " " + strings.Replace(quoted, "\x00", "[%h]:%p", 1)
	}
	return []string{"-o", "ProxyCommand=" + command}, nil
}

// hostPort splits HOST[:PORT]; without a port it is 0, which leaves it to ssh.
func hostPort(text string) (string, int, error) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		host, digits = strings.Trim(text, "[]"), "0"
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%q is not HOST[:PORT]", text)
	}
	return host, int(port), nil
}

// secured is ssh with arguments, not yet started.
func secured(arguments []string) (*exec.Cmd, error) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		return nil, fmt.Errorf("ssh is needed: %w", err)
	}
	return exec.Command(program, arguments...), nil
}
