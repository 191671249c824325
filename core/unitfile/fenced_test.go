package unitfile_test

import (
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// TestUnfenceable: what systemd could not end together with the unit cannot ask
// for OnPartition=stop.
func TestUnfenceable(t *testing.T) {
	const docker = "; expected Podman, as podman run --cgroups=split or as a .container file"
	const split = "; expected podman run --cgroups=split, or a .container file"
	outside := func(who string) string {
		return ":2: OnPartition=stop cannot end what " + who + " starts: it runs outside of the unit's own control group"
	}
	for _, test := range []struct {
		unit cluster.UnitName
		line string // the second of the file
		want string
	}{
		{"a.service", "ExecStart=/usr/bin/docker run --rm --name a busybox", outside("docker run") + docker},
		{"a.service", "ExecStart=-@/usr/bin/docker a --debug -H unix:///x run busybox", outside("docker run") + docker},
		{"a.service", "ExecStart=/bin/sh -c 'sleep 1; exec docker run busybox'", outside("docker run") + docker},
		{"a.service", `ExecStart=/bin/bash -c "docker rm a;docker run a"`, outside("docker run") + docker},
		{"a.service", "ExecStart=/bin/sh -c 'echo $(docker run busybox)'", outside("docker run") + docker},
		{"a.service", "ExecStart=/usr/bin/env docker container run busybox", outside("docker run") + docker},
		{"a.service", "ExecStart=/usr/bin/docker start -a a", outside("docker start") + docker},
		{"a.service", "ExecStartPost=/usr/bin/docker exec a /init", outside("docker exec") + docker},
		{"a.service", "ExecStart=/usr/bin/docker compose up", outside("docker compose") + docker},
		{"a.service", "ExecStart=/usr/bin/docker-compose up", outside("docker-compose") + docker},
		{"a.service", "ExecStart=/usr/bin/nerdctl run busybox", outside("nerdctl run") + docker},
		{"a.service", "ExecStart=/usr/bin/podman run busybox", outside("podman run") + split},
		{"a.service", "ExecStart=/usr/bin/podman run --cgroups no-conmon busybox", outside("podman run") + split},
		{"a.service", "ExecStart=/usr/bin/podman start -a a", outside("podman start") + split},
		{"a.service", "ExecStart=/usr/bin/systemd-run --scope db", outside("systemd-run") + "; expected the command itself, in this unit"},
		{"a.service", "ExecStart=/usr/bin/machinectl start db", outside("machinectl") + "; expected the command itself, in this unit"},
		{"a.service", "ExecStart=/bin/su db -c /usr/bin/db", outside("su") + "; expected User= in [Service]"},
		{"a.service", "KillMode=process", `:2: KillMode="process" leaves processes behind that OnPartition=stop must end; expected control-group or mixed`},
		{"a.service", "KillMode=none", `:2: KillMode="none" leaves processes behind that OnPartition=stop must end; expected control-group or mixed`},
		{"a.service", "SendSIGKILL=no", `:2: SendSIGKILL="no" leaves processes behind that OnPartition=stop must end; expected no SendSIGKILL=`},
		{"a.service", "PAMName=login", `:2: PAMName="login" moves the unit into a session's control group, where OnPartition=stop cannot end it; expected User= alone`},
		{"a.timer", "", ":4: OnPartition=stop of a .timer unit would leave running what it has started; expected OnPartition=stop in the unit that it starts"},
		{"a.socket", "", ":4: OnPartition=stop of a .socket unit would leave running what it has started; expected OnPartition=stop in the unit that it starts"},
		{"a.mount", "", ":4: OnPartition=stop has no meaning for a .mount unit: it has no processes; expected a .service, or a .container"},
		{"a.kube", "", ":4: OnPartition=stop cannot end what a .kube unit starts: Podman runs it outside of the unit's own control group; expected a .container for each"},

		{"a.service", "ExecStart=/usr/bin/podman run --rm --cgroups=split busybox", ""},
		{"a.service", "ExecStart=/usr/bin/podman run --cgroups split busybox", ""},
		{"a.service", "ExecStartPre=-/usr/bin/docker pull busybox", ""},
		{"a.service", "ExecStartPre=-/usr/bin/docker rm -f run", ""},
		{"a.service", "ExecStartPre=/usr/bin/test -x /usr/bin/docker", ""},
		{"a.service", "ExecStart=/usr/bin/db --engine docker", ""},
		{"a.service", "ExecStart=/usr/bin/db --as su", ""},
		{"a.service", "KillMode=mixed", ""},
		{"a.container", "ExecStartPre=/usr/bin/podman pull busybox", ""},
		{"a@1.service", "", ""},
		{"a@.service", "", ""},
	} {
		file, err := unitfile.Parse(string(test.unit), "[Service]\n"+test.line+"\n[X-Fleet]\nOnPartition=stop\n")
		if err != nil {
			t.Fatal(err)
		}
		needs, err := file.Requirements(test.unit)
		switch {
		case test.want == "" && (err != nil || !needs.Fenced):
			t.Errorf("%s with %s: %v, %+v; expected it to be taken", test.unit, test.line, err, needs)
		case test.want != "" && (err == nil || err.Error() != string(test.unit)+test.want):
			t.Errorf("%s with %s is refused with\n%v\nexpected\n%s%s", test.unit, test.line, err, test.unit, test.want)
		}
	}
}

// TestUnfenceableContainers are Quadlet's own ways out of a unit's control group.
func TestUnfenceableContainers(t *testing.T) {
	const outside = " has the container run outside of the unit's own control group, where OnPartition=stop cannot end it; expected split"
	for line, want := range map[string]string{
		"Pod=a.pod":                            `a.container:2: Pod="a.pod" has the container run in the pod's control group, where OnPartition=stop cannot end it; expected a container without a pod`,
		"CgroupsMode=enabled":                  `a.container:2: CgroupsMode="enabled"` + outside,
		"CgroupsMode=split":                    "",
		"PodmanArgs=--cgroups=no-conmon":       `a.container:2: PodmanArgs="--cgroups=no-conmon" has the container run in a control group that OnPartition=stop may not end; expected no such argument`,
		"PodmanArgs=--env=FLEET_FENCING_TOKEN": "",
	} {
		file, err := unitfile.Parse("a.container", "[Container]\n"+line+"\n[X-Fleet]\nOnPartition=stop\n")
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Requirements("a.container")
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s is refused with\n%v\nexpected\n%s", line, err, want)
		}
	}
}

// What asks for nothing of the kind may do as it likes.
func TestUnfencedUnitsMayLeave(t *testing.T) {
	file, err := unitfile.Parse("a.service", "[Service]\nExecStart=/usr/bin/docker run busybox\nKillMode=none\n[X-Fleet]\nOnPartition=stop\nOnPartition=keep\n")
	if err != nil {
		t.Fatal(err)
	}
	if needs, err := file.Requirements("a.service"); err != nil || needs.Fenced {
		t.Errorf("%+v, %v", needs, err)
	}
}
