package api

import (
	"fmt"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// rivals are the other names under which a unit would be the same service on its
// machine: of web.container it is web.service, which Podman's generator makes of
// it, and web.kube.
func rivals(name cluster.UnitName) []cluster.UnitName {
	service := name.Service()
	stem, is := strings.CutSuffix(string(service), ".service")
	if !is {
		return nil
	}
	candidates := []cluster.UnitName{service}
	for _, behind := range []string{".container", ".kube", "-volume.volume", "-network.network", "-pod.pod", "-image.image"} {
		kind := behind[strings.LastIndexByte(behind, '.'):]
		if bare, is := strings.CutSuffix(stem+kind, behind); is {
			candidates = append(candidates, cluster.UnitName(bare+kind))
		}
	}
	return slices.DeleteFunc(candidates, func(c cluster.UnitName) bool {
		_, err := cluster.ParseUnitName(string(c))
		return err != nil || c == name || c.Service() != service
	})
}

// Clash says which unit of the cluster keeps a new one of this name away. A unit
// that comes in at the same moment may slip through: its machine then shows which
// of the two systemd took.
func (v *View) Clash(name cluster.UnitName) error {
	for _, rival := range rivals(name) {
		if _, there := v.Known(rival); there {
			return Invalid(fmt.Sprintf("unit %s would be %s on its machine, and so would %s, which is in the cluster", name, name.Service(), rival),
				"give it another name, or destroy "+string(rival))
		}
	}
	return nil
}
