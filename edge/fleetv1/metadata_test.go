package fleetv1_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

func TestPatchMachines(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/machines"
		b.want(400, "invalid op", "PATCH", path, `[{"op":"add","path":"/m/metadata/k","value":"v"},{"op":"test","path":"/m/metadata/k"}]`)
		b.want(400, "path invalid", "PATCH", path, `[{"op":"remove","path":"/m/k"}]`)
		b.want(400, "require a value", "PATCH", path, `[{"op":"add","path":"/m/metadata/k"}]`)
		b.want(400, "decode", "PATCH", path, ``)
		b.want(204, "", "PATCH", path, `[]`)
		b.want(400, `"m" is no machine id`, "PATCH", path, `[{"op":"add","path":"/m/metadata/k","value":"v"}]`)
		b.want(400, "look at operation 2", "PATCH", path, list(patch("add", machineOne, "k", "v"), patch("add", "core-01", "k", "v")))
		b.want(400, "is no value", "PATCH", path, list(patch("add", machineOne, "k", `a\nb`)))
		b.want(400, "no key of a label", "PATCH", path, list(patch("add", machineOne, strings.Repeat("k", 200), "v")))
		many, tooMany := []string{patch("add", machineOne, "k", "v")}, []string{}
		for i := range 70 {
			many = append(many, patch("add", machineTwo, fmt.Sprintf("k%d", i), "v"))
		}
		for range fleetv1.MostPatches + 1 {
			tooMany = append(tooMany, patch("add", machineOne, "k", "v"))
		}
		b.want(400, "would have 70 labels; at most 64", "PATCH", path, list(many...))
		b.want(400, "1001 operations", "PATCH", path, list(tooMany...))
		if n := b.store.Writes(); n != 0 {
			b.Errorf("%d writes of what was refused", n)
		}
	})
}

// TestMetadata goes through the life of a machine's metadata.
func TestMetadata(t *testing.T) {
	run(t, func(b *bench) {
		const path = "/fleet/v1/machines"
		change := func(patches ...string) { b.Helper(); b.want(204, "", "PATCH", path, list(patches...)); synctest.Wait() }
		shown := func(want string) {
			b.Helper()
			if got := b.ask("GET", path, ""); got.body != want {
				b.Errorf("%s, want %s", got.body, want)
			}
		}
		change(patch("add", machineTwo, "disk", "ssd"), patch("remove", machineTwo, "region", "")) // never seen
		shown(`{}`)
		b.join(machineOne, map[string]string{"region": "eu"})
		lease := b.join(machineTwo, map[string]string{"region": "us"})
		one := func(metadata string) string {
			return fmt.Sprintf(`{"id":%q%s,"primaryIP":"10.0.0.1"}`, machineOne, metadata)
		}
		two := fmt.Sprintf(`{"id":%q,"metadata":{"disk":"ssd"},"primaryIP":"10.0.0.1"}`, machineTwo)
		shown(`{"machines":[` + one(`,"metadata":{"region":"eu"}`) + `,` + two + `]}`)
		change(patch("replace", machineOne, "region", "us"), patch("add", machineOne, "disk", "ssd"), patch("remove", machineOne, "disk", ""))
		shown(`{"machines":[` + one(`,"metadata":{"region":"us"}`) + `,` + two + `]}`)
		change(patch("remove", machineOne, "region", "")) // what only fleet.conf has, it hides
		shown(`{"machines":[` + one(``) + `,` + two + `]}`)
		b.store.EndLease(lease)
		synctest.Wait()
		shown(`{"machines":[` + one(``) + `]}`)
		b.join(machineTwo, nil)
		shown(`{"machines":[` + one(``) + `,` + two + `]}`)
		writes := b.store.Writes()
		change(patch("add", machineTwo, "disk", "ssd")) // as it is
		if b.store.Writes() != writes {
			b.Errorf("what is so already was written")
		}
		if l, err := b.store.Labels(b.Context(), machineTwo); err != nil || l.By != "tester" || l.At.IsZero() {
			b.Errorf("who and when: %+v, %v", l, err)
		}
		b.store.SetAway(true)
		b.want(503, fleetv1.Unavailable, "PATCH", path, list(patch("add", machineTwo, "disk", "hdd")))
	})
}

func patch(op string, machine cluster.MachineID, key, value string) string {
	return fmt.Sprintf(`{"op":%q,"path":"/%s/metadata/%s","value":"%s"}`, op, machine, key, value)
}

func list(operations ...string) string { return "[" + strings.Join(operations, ",") + "]" }
