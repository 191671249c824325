package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"argosy/test/fleetclient"
)

// oldClient speaks to the daemon as fleet 1.0's fleetctl did.
func (f *fleetd) oldClient() *fleetclient.Client {
	c := fleetclient.New(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	})
	f.Cleanup(c.Close)
	return c
}

func soon() error {
	<-time.After(10 * time.Millisecond)
	return nil
}

func TestFleetctlOfFleet(t *testing.T) {
	f := start(t, "token_limit=2\nmetadata=region=eu\n")
	c := f.oldClient()
	for _, name := range []string{"web.service", "web@1.service", "a:b_c-d.service", `data-x\x2dy.service`} {
		if err := c.Session(name, soon,
			&fleetclient.Option{Section: "Unit", Name: "Description", Value: "a web server <&> \"quoted\""},
			&fleetclient.Option{Section: "Service", Name: "ExecStart", Value: "/bin/sleep 3600"},
			&fleetclient.Option{Section: "X-Fleet", Name: "MachineMetadata", Value: "region=eu"},
		); err != nil {
			t.Error(err)
		}
	}
	// Pages of token_limit rows, each unit once.
	for i := range 5 {
		if err := c.Create(fmt.Sprintf("page@%d.service", i), &fleetclient.Option{Section: "Service", Name: "ExecStart", Value: "/bin/true"}); err != nil {
			t.Fatal(err)
		}
	}
	c.Pages = 0
	units, err := c.Units()
	if err != nil || len(units) != 5 || c.Pages != 3 {
		t.Errorf("%d units in %d pages, %v", len(units), c.Pages, err)
	}
	machines, err := c.Machines()
	if err != nil || len(machines) != 1 || machines[0].ID != string(self) || machines[0].PrimaryIP != "127.0.0.1" || machines[0].Metadata["region"] != "eu" {
		t.Errorf("%+v, %v", machines, err)
	}
	at := "/" + string(self) + "/metadata/"
	if err := c.Patch(fleetclient.Operation{Op: "add", Path: at + "disk", Value: "ssd"}, fleetclient.Operation{Op: "remove", Path: at + "region"}); err != nil {
		t.Error(err)
	}
	if machines, err = c.Machines(); err != nil || len(machines) != 1 || len(machines[0].Metadata) != 1 || machines[0].Metadata["disk"] != "ssd" {
		t.Errorf("patched: %+v, %v", machines, err)
	}
	if document, err := c.Discovery(); err != nil || document["name"] != "schema" || document["version"] != "v1" {
		t.Errorf("%v, %v", document, err)
	}
}

// The errors that fleetctl tells apart or prints.
func TestErrorsForFleetctlOfFleet(t *testing.T) {
	f := start(t, "")
	c := f.oldClient()
	sleeps := &fleetclient.Option{Section: "Service", Name: "ExecStart", Value: "/bin/sleep 1"}
	if err := c.Create("web@.service", sleeps); err != nil {
		t.Fatal(err)
	}
	for what, e := range map[string]struct {
		err     error
		code    int
		message string
	}{
		"no options":       {c.Create("web.service"), 409, "unit does not exist and options field empty"},
		"unknown unit":     {c.SetTarget("web.service", "launched"), 409, "unit does not exist and options field empty"},
		"unknown state":    {c.SetTarget("web@.service", "running"), 400, `desiredState is "running"; expected inactive, loaded or launched`},
		"template":         {c.SetTarget("web@.service", "launched"), 400, `cannot activate template "web@.service"; name an instance, such as web@1.service`},
		"nothing to do":    {c.Create("web@.service", sleeps), 409, "must provide DesiredState to update existing unit"},
		"no such unit":     {c.Destroy("web.service"), 404, "unit does not exist"},
		"no state":         {stateError(c, "web.service"), 404, `no machine has the unit "web.service"`},
		"contradiction":    {c.Create("x.service", sleeps, xFleet("Global", "true"), xFleet("MachineOf", "y.service")), 400, ""},
		"own peer":         {c.Create("x.service", sleeps, xFleet("MachineOf", "x.service")), 400, ""},
		"bad operation":    {c.Patch(fleetclient.Operation{Op: "test", Path: "/m/metadata/k"}), 400, "invalid op: expect add, remove, or replace; look at operation 1"},
		"bad path":         {c.Patch(fleetclient.Operation{Op: "add", Path: "/m/k", Value: "v"}), 400, "machine metadata path invalid: expect /MACHINE-ID/metadata/KEY; look at operation 1"},
		"name without dot": {c.Create("web", sleeps), 400, ""},
	} {
		var got *fleetclient.Error
		if !errors.As(e.err, &got) || got.Code != e.code || got.Message == "" || e.message != "" && got.Message != e.message {
			t.Errorf("%s: %v, want %d %q", what, e.err, e.code, e.message)
		}
	}
}

func stateError(c *fleetclient.Client, name string) error {
	_, err := c.State(name)
	return err
}

func xFleet(name, value string) *fleetclient.Option {
	return &fleetclient.Option{Section: "X-Fleet", Name: name, Value: value}
}
