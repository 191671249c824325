package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// ParseMembers reads members' client URLs, as etcd advertises them
// (https://10.0.0.1:2379; the scheme may be left out), for Config.Members. All
// faults are reported at once.
func ParseMembers(urls []string) ([]string, error) {
	var addresses []string
	var faults []error
	for _, given := range urls {
		address, err := parseMember(strings.TrimSpace(given))
		if err != nil {
			faults = append(faults, fmt.Errorf("member %q: %w", given, err))
		} else if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	if len(urls) == 0 {
		faults = append(faults, errors.New("no member is named"))
	}
	return addresses, errors.Join(faults...)
}

func parseMember(given string) (string, error) {
	if !strings.Contains(given, "://") {
		given = "https://" + given
	}
	parsed, err := url.Parse(given)
	switch {
	case err != nil:
		return "", err
	case parsed.Scheme != "https":
		return "", fmt.Errorf("members are reached over TLS only: https, not %s", parsed.Scheme)
	case parsed.User != nil || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return "", errors.New("it has more than a host and a port")
	case parsed.Hostname() == "" || parsed.Port() == "":
		return "", errors.New("it needs a host and a port, as in https://10.0.0.1:2379")
	}
	return parsed.Host, nil
}

// ownNetworks are this machine's addresses with their networks, as they are now: the
// relay may start before the network does.
func ownNetworks() []*net.IPNet {
	addresses, _ := net.InterfaceAddrs() // without them no member is preferred, and no neighbour known
	var own []*net.IPNet
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok {
			own = append(own, network)
		}
	}
	return own
}

func isOwn(member string, own []*net.IPNet) bool {
	host, _, _ := net.SplitHostPort(member)
	ip := net.ParseIP(host)
	return ip != nil && slices.ContainsFunc(own, func(network *net.IPNet) bool { return network.IP.Equal(ip) })
}
