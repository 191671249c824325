package api

import (
	"fmt"
	"testing"

	"argosy/core/cluster"
)

func TestRivals(t *testing.T) {
	for name, want := range map[cluster.UnitName]string{
		"web.service":         "[web.container web.kube]",
		"web@1.container":     "[web@1.service web@1.kube]",
		"web@.kube":           "[web@.service web@.container]",
		"data.volume":         "[data-volume.service data-volume.container data-volume.kube]",
		"data-volume.service": "[data-volume.container data-volume.kube data.volume]",
		"app-pod.container":   "[app-pod.service app-pod.kube app.pod]",
		"web.socket":          "[]",
		"-pod.service":        "[-pod.container -pod.kube]",
	} {
		if got := fmt.Sprint(rivals(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
