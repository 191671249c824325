package fleetctl

import (
	"strings"
	"testing"
)

// globalOptions are those of fleet 1.0, with a value to try.
var globalOptions = map[string]string{
	"driver": "API", "etcd-key-prefix": "/_coreos.com/fleet/", "request-timeout": "3.5", "ssh-username": "core",
	"ssh-timeout": "10.0", "strict-host-key-checking": "false", "known-hosts-file": "~/.fleetctl/known_hosts",
	"ca-file": "", "cert-file": "", "key-file": "", "debug": "false", "experimental-api": "true",
	"etcd-cafile": "", "etcd-certfile": "", "etcd-keyfile": "",
}

func TestFleetsOptions(t *testing.T) {
	w := newWorld(t)
	for option, value := range globalOptions {
		for _, args := range [][]string{
			{"--" + option + "=" + value, "list-machines", "--no-legend"},
			{"list-machines", "--no-legend", "--" + option + "=" + value},
		} {
			got := w.fleetctl(args...)
			if got.code != 0 || strings.Count(got.out, "\n") != len(worldIDs) {
				t.Errorf("%v: %+v", args, got)
			}
			deprecated := renamed[option] != "" || option == "experimental-api"
			if remarks := strings.Contains(got.err, "WARNING: --"+option+" is deprecated"); remarks != deprecated {
				t.Errorf("%v: says %q", args, got.err)
			}
		}
	}
	local := map[string]string{
		"start": "block-attempts no-block replace sign", "load": "block-attempts no-block replace sign", "submit": "replace sign",
		"stop": "block-attempts no-block", "unload": "block-attempts no-block", "destroy": "block-attempts no-block",
		"restart": "block-attempts", "status": "ssh-port", "journal": "lines follow f output sudo ssh-port",
		"list-machines": "fields full l no-legend", "list-units": "fields full l no-legend", "list-unit-files": "fields full no-legend",
	}
	for verb, options := range local {
		cmd, _, err := New().Find([]string{verb})
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range strings.Fields(options) {
			if cmd.Flag(option) == nil {
				t.Errorf("%s has no --%s", verb, option)
			}
		}
	}
}

func TestDeprecatedOptionsAreTaken(t *testing.T) {
	w := newWorld(t)
	w.want(w.fleetctl("list-units", "--etcd-cafile", "x"), 2, "", "WARNING: --etcd-cafile is deprecated: use --ca-file\n")
	w.want(w.fleetctl("list-units", "--etcd-cafile", "x"), 2, "", "give all three or none")
	t.Setenv("FLEETCTL_ETCD_KEYFILE", "from-the-environment")
	w.want(w.fleetctl("list-units"), 2, "", "give all three or none")
	w.want(w.fleetctl("list-units", "--key-file="), 0, "UNIT\tMACHINE\tACTIVE\tSUB\n", "WARNING: --etcd-keyfile is deprecated")
}

func TestHelpOfOneLetter(t *testing.T) {
	for _, args := range [][]string{{"--h"}, {"-h"}, {"start", "--h"}} {
		if got := runFleetctl(t.Context(), args...); got.code != 0 || !strings.Contains(got.out, "Usage:") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
