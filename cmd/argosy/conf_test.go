package main

import (
	"fmt"
	"strings"

	"argosy/edge/fleetconf"
)

// confManual is fleet.conf(5), made of the table that the file is read by.
func confManual() string {
	var page strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	say(".TH FLEET.CONF 5 \"\" argosy Argosy")
	say(".SH NAME\nfleet.conf \\- configuration of fleetd")
	say(".SH SYNOPSIS\n.I %s", roff(fleetconf.DefaultPath))
	say(".SH DESCRIPTION")
	prose(say, `Each line is name=value, the value bare or in quotes. Lines that begin with # or ;
are comments. A line that is wrong is named with its number, all of them at once,
and fleetd does not start. The file may be missing; one that fleetd is given with
--config must exist.

Each option may also be given as a variable FLEET_NAME in fleetd's environment,
with the name in capitals, and as an option --name of fleetd. A variable overrules
the file, an option both. An empty variable counts as none. fleetd config show
--origin prints every value and where it comes from.

After a change, systemctl reload fleet takes over the options marked "reload" and
names in the journal those that differ and wait for systemctl restart fleet.
Neither touches any unit. A file with a fault changes nothing; the reload is
reported as failed.`)
	say(".SH OPTIONS")
	for _, o := range fleetconf.Document() {
		if !o.Nothing {
			about := []string{}
			if o.Default != "" {
				about = append(about, "default "+o.Default)
			}
			if o.Live {
				about = append(about, "reload")
			}
			line := `\fB` + roff(o.Name) + `\fR`
			if len(about) > 0 {
				line += " (" + roff(strings.Join(about, "; ")) + ")"
			}
			say(".TP\n%s\n%s", line, roff(o.About))
		}
	}
	say(".SH OPTIONS OF FLEET 1.0 WITHOUT MEANING")
	say("These are accepted. fleetd notes in its log what stands here, and starts.")
	for _, o := range fleetconf.Document() {
		if o.Nothing {
			say(".TP\n\\fB%s\\fR\n%s", roff(o.Name), roff(strings.ToUpper(o.About[:1])+o.About[1:]+"."))
		}
	}
	say(".SH EXAMPLE")
	prose(say, `    etcd_servers="https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379"
    etcd_cafile=/etc/argosy/pki/ca.crt
    etcd_certfile=/etc/argosy/pki/machine.crt
    etcd_keyfile=/etc/argosy/pki/machine.key
    metadata="region=eu,disk=ssd"
    capacity="gpu=2"`)
	say(".SH SEE ALSO\n\\fBfleetd\\fR(1), \\fBfleetd\\-config\\-show\\fR(1), \\fBfleetctl\\fR(1)")
	return page.String()
}
