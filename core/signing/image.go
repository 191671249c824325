package signing

import (
	"fmt"
	"regexp"
	"strings"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// digested ends an image's name that can mean one image only.
var digested = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// imageSections say where Quadlet files name an image, see podman-systemd.unit(5).
var imageSections = map[string]string{".container": "Container", ".image": "Image", ".volume": "Volume"}

// pinned refuses a Quadlet file whose image is not named by digest. What plain units
// run, podman among it, is not looked at.
func pinned(unit cluster.UnitName, bundle unitfile.Bundle) error {
	if unit.Suffix() == ".kube" {
		return &access.Refused{
			Message: fmt.Sprintf("%s: which images its Yaml= names is not known to the cluster, and they are to be named by digest", unit),
			Hint:    "write it as .container files, or take " + digestsWord + " out of the policy",
		}
	}
	section := imageSections[unit.Suffix()]
	if section == "" {
		return nil
	}
	file, err := bundle.Parse(string(unit))
	if err != nil {
		return err
	}
	images := file.Values(section, "Image")
	if len(images) == 0 {
		return nil
	}
	image := images[len(images)-1].Value // as Podman's generator has it: the last one holds
	if digested.MatchString(image) || section == "Container" && strings.HasSuffix(image, ".image") {
		return nil // a .image file is a unit of its own
	}
	return &access.Refused{
		Message: fmt.Sprintf("%s: Image=%s is not named by digest", unit, image),
		Hint:    "expected NAME@sha256:DIGEST; 'podman image inspect --format {{.Digest}} " + image + "' prints it",
	}
}
