package unitfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// fenceable refuses OnPartition=stop where systemd could end the unit and leave
// its processes running: what runs in another control group, or outlives its
// unit, would run on two machines in the end. What a script of the unit's own
// does nobody can see here.
func (r *requirementsReader) fenceable() {
	if !r.found.Fenced {
		return
	}
	r.fenceableType()
	for _, key := range []string{"ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"} {
		for _, o := range r.file.Values("Service", key) {
			if who, expected := leaves(o.Value); who != "" {
				r.refuse(o, fmt.Sprintf("OnPartition=stop cannot end what %s starts: it runs outside of the unit's own control group", who), expected)
			}
		}
	}
	r.unfenceable("Service", "KillMode", "leaves processes behind that OnPartition=stop must end", "control-group or mixed", func(value string) bool {
		return value == "none" || value == "process"
	})
	r.unfenceable("Service", "SendSIGKILL", "leaves processes behind that OnPartition=stop must end", "no SendSIGKILL=", func(value string) bool {
		truth, ok := parseTruth(value)
		return ok && !truth
	})
	r.unfenceable("Service", "PAMName", "moves the unit into a session's control group, where OnPartition=stop cannot end it", "User= alone", func(string) bool { return true })
	r.unfenceable("Container", "Pod", "has the container run in the pod's control group, where OnPartition=stop cannot end it", "a container without a pod", func(string) bool { return true })
	r.unfenceable("Container", "CgroupsMode", "has the container run outside of the unit's own control group, where OnPartition=stop cannot end it", "split", func(value string) bool {
		return value != "split"
	})
	r.unfenceable("Container", "PodmanArgs", "has the container run in a control group that OnPartition=stop may not end", "no such argument", func(value string) bool {
		return strings.Contains(value, "--cgroup")
	})
}

// fenceableType refuses the types that have no processes of their own, or theirs
// elsewhere.
func (r *requirementsReader) fenceableType() {
	wrong, expected := "", "a .service, or a .container"
	switch suffix := r.unit.Suffix(); suffix {
	case ".service", ".container":
		return
	case ".timer", ".socket", ".path":
		wrong = fmt.Sprintf("OnPartition=stop of a %s unit would leave running what it has started", suffix)
		expected = "OnPartition=stop in the unit that it starts"
	case ".kube", ".pod":
		wrong = fmt.Sprintf("OnPartition=stop cannot end what a %s unit starts: Podman runs it outside of the unit's own control group", suffix)
		expected = "a .container for each"
	default:
		wrong = fmt.Sprintf("OnPartition=stop has no meaning for a %s unit: it has no processes", suffix)
	}
	r.refuse(Option{Line: r.first["OnPartition"]}, wrong, expected)
}

// unfenceable refuses each assignment of a bad value.
func (r *requirementsReader) unfenceable(section, name, wrong, expected string, bad func(value string) bool) {
	for _, o := range r.file.Values(section, name) {
		if bad(o.Value) {
			r.refuse(o, fmt.Sprintf("%s=%s %s", o.Name, quoted(o.Value), wrong), expected)
		}
	}
}

// Where the processes of a command line go that are not the unit's own.
const (
	expectedPodman = "Podman, as podman run --cgroups=split or as a .container file"
	expectedSplit  = "podman run --cgroups=split, or a .container file"
	expectedPlain  = "the command itself, in this unit"
)

// outside are programs that have another one start the processes that are asked
// for, whatever their arguments.
var outside = map[string]string{
	"systemd-run": expectedPlain, "machinectl": expectedPlain, "lxc-start": expectedPlain, "ctr": expectedPodman,
	"docker-compose": expectedPodman, "podman-compose": "a .container file for each",
}

// engines are those that start containers, and tend them.
var engines = []string{"docker", "podman", "nerdctl"}

// tending are their verbs that start no process that stays.
var tending = []string{
	"build", "cp", "create", "events", "image", "images", "import", "info", "inspect", "kill", "load", "login", "logout", "logs",
	"network", "port", "ps", "pull", "push", "rename", "rm", "rmi", "save", "secret", "stats", "stop", "system", "tag", "top",
	"update", "version", "volume", "wait",
}

// starting are those that do, or have others below them.
var starting = []string{"run", "start", "restart", "exec", "attach", "unpause", "compose", "stack", "service", "play", "kube", "pod"}

// leaves says which program of a command line, also one of a shell's, starts
// processes elsewhere; empty where none does.
func leaves(command string) (who, expected string) {
	words := strings.Fields(strings.NewReplacer(`"`, " ", `'`, " ", ";", " ; ", "&", " & ", "|", " | ", "(", " ", ")", " ", "$", " ", "`", " ").Replace(command))
	for i, word := range words {
		base := path.Base(strings.TrimLeft(word, "-@+!:"))
		if expected, is := outside[base]; is {
			return base, expected
		}
		if i == 0 && (base == "su" || base == "login") {
			return base, "User= in [Service]"
		}
		if slices.Contains(engines, base) {
			if who, expected := startsContainer(base, words[i+1:]); who != "" {
				return who, expected
			}
		}
	}
	return "", ""
}

// startsContainer looks at the words behind a container engine's name.
func startsContainer(engine string, words []string) (who, expected string) {
	for i, word := range words {
		switch {
		case word == ";" || word == "&" || word == "|":
			return "", ""
		case slices.Contains(tending, word):
			return "", ""
		case slices.Contains(starting, word):
			who = engine + " " + word
			if engine != "podman" {
				return who, expectedPodman
			}
			if word == "run" && splits(words[i+1:]) {
				return "", ""
			}
			return who, expectedSplit
		}
	}
	return "", ""
}

// splits says that podman run keeps conmon and the container in the unit's own
// control group, see podman-run(1).
func splits(words []string) bool {
	for i, word := range words {
		if word == "--cgroups=split" || word == "--cgroups" && i+1 < len(words) && words[i+1] == "split" {
			return true
		}
	}
	return false
}

// ownStopTime are the options by which a unit says how long it may take to end.
var ownStopTime = []string{"TimeoutStopSec", "TimeoutSec"}

// capped says that the fence overrules an option of the unit.
func capped(o Option) bool {
	return o.Section == "Service" && slices.Contains(ownStopTime, o.Name)
}

// fenced says that the file asks for OnPartition=stop, by what it says last.
func (f *File) fenced() bool {
	values := f.Values(FleetSection, "OnPartition")
	return len(values) > 0 && strings.Trim(values[len(values)-1].Value, `"'`) == "stop"
}

var cappedWarning = "%s=%s is overruled: a unit with OnPartition=stop has " + cluster.FenceUnitStopTime.String() +
	" to end after its signal, and as long again for ExecStop= and ExecStopPost=; then it is killed"
