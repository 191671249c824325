// Package host reads what the kernel and systemd say of the machine that the
// program runs on.
package host

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"argosy/core/cluster"
)

// Facts are what a machine knows of itself without asking anyone.
type Facts struct {
	ID       cluster.MachineID // /etc/machine-id, see machine-id(5)
	BootID   string            // /proc/sys/kernel/random/boot_id, see random(4)
	Name     string            // hostname(7)
	Address  string            // first IPv4 address of the default route's interface; else of any
	Capacity cluster.Capacity
	Kernel   string // uname -r
}

// Read reads them. Address is empty where the machine has none but loopback.
func Read() (Facts, error) {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return Facts{}, fmt.Errorf("read the machine's id: %w", err)
	}
	machine, err := cluster.ParseMachineID(strings.TrimSpace(string(id)))
	if err != nil {
		return Facts{}, fmt.Errorf("/etc/machine-id: %w (systemd-machine-id-setup makes one)", err)
	}
	boot, err := bootID()
	if err != nil {
		return Facts{}, err
	}
	name, err := os.Hostname()
	if err != nil {
		return Facts{}, fmt.Errorf("read the machine's name: %w", err)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Facts{}, fmt.Errorf("uname: %w", err)
	}
	memory, err := memoryBytes()
	if err != nil {
		return Facts{}, err
	}
	return Facts{
		ID:       machine,
		BootID:   boot,
		Name:     name,
		Address:  address(),
		Capacity: cluster.Capacity{CPUs: runtime.NumCPU(), MemoryBytes: memory},
		Kernel:   unix.ByteSliceToString(uts.Release[:]),
	}, nil
}

// bootID identifies this boot of this machine. Containers share the kernel's
// boot id, so it is joined with the start time of PID 1, which a container's
// reboot changes.
func bootID() (string, error) {
	kernel, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot's id: %w", err)
	}
	stat, err := os.ReadFile("/proc/1/stat")
	if err != nil {
		return "", fmt.Errorf("read the start of PID 1: %w", err)
	}
	started, err := startTicks(stat)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(kernel)) + "-" + started, nil
}

// startTicks is field 22 of /proc/PID/stat, see proc_pid_stat(5). The command's
// name in field 2 may hold blanks and parentheses, so counting begins behind it.
func startTicks(stat []byte) (string, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const startTime = 22 - 3 // the first field behind the name is number 3
	if len(fields) <= startTime {
		return "", fmt.Errorf("/proc/1/stat: expected 22 fields or more, found %d", len(fields)+2)
	}
	return fields[startTime], nil
}

func memoryBytes() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read the machine's memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/meminfo: MemTotal: %w", err)
			}
			return kB << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo: no MemTotal")
}

// address prefers the interface of the default route, as fleet did.
func address() string {
	if text, err := os.ReadFile("/proc/net/route"); err == nil {
		if name := defaultInterface(text); name != "" {
			if ip := firstIPv4(name); ip != "" {
				return ip
			}
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			if ip := firstIPv4(i.Name); ip != "" {
				return ip
			}
		}
	}
	return ""
}

// defaultInterface finds the interface whose destination is 0.0.0.0 in the
// text of /proc/net/route, see proc_pid_net(5).
func defaultInterface(table []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			return fields[0]
		}
	}
	return ""
}

func firstIPv4(name string) string {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	addresses, err := i.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return ""
}
