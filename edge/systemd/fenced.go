package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/unitfile"
)

// fenceDropIn is read behind the unit's own drop-ins.
const fenceDropIn = "zz-fleet-fence.conf"

// fenceText binds a unit to the fence, and has it end in the time that the
// cluster waits. It is the same for all units: the token is in a file of its own,
// which systemd reads with each start, so that a new token takes no reload.
//
// The target stands behind After= so that no start holds it up: what it waits for
// are the units that are being ended, which systemd orders before it in any case.
func (f Folders) fenceText() string {
	return fmt.Sprintf(`# OnPartition=stop: this unit lives only while fleet's fence stands.
[Unit]
BindsTo=%s
After=%[1]s fleet-fence-fallen.target
[Service]
TimeoutStopSec=%d
TimeoutStopFailureMode=kill
EnvironmentFile=%s/%%n
`, converge.FenceUnit, cluster.FenceUnitStopTime/time.Second, f.Tokens)
}

// fence is the drop-in of a fenced unit. It belongs to the service that systemd
// knows, also where Podman's generator makes that of a Quadlet file.
func (f *Files) fence(unit cluster.UnitName) placed {
	return placed{f.folders.Fence, filepath.Join(f.folders.Links, string(unit.Service())+".d", fenceDropIn)}
}

// wants is what a unit of these files asks for beyond what systemd reads of them.
// Where they ask for it in vain (an older version took them as they are), it says
// why.
func wants(unit cluster.UnitName, bundle unitfile.Bundle) (unitfile.Requirements, error) {
	file, err := bundle.Parse(string(unit))
	if err != nil {
		return unitfile.Requirements{}, nil //nolint:nilerr // systemd has its own words for what it cannot read
	}
	return file.Requirements(unit)
}

// equip has fleet's own drop-ins there where the unit asks for them, before the
// unit's own text is: what has a text is what it should be.
func (f *Files) equip(unit cluster.UnitName, bundle unitfile.Bundle) error {
	asks, err := wants(unit, bundle)
	if err != nil {
		return err
	}
	return errors.Join(f.bind(unit, asks.Fenced), f.credit(unit, asks.Secrets))
}

// bind has the fence's drop-in there, or not.
func (f *Files) bind(unit cluster.UnitName, asks bool) error {
	at := f.fence(unit)
	if !asks {
		return f.unbind(unit)
	}
	if err := at.free(); err != nil {
		return err
	}
	return errors.Join(replace(at.file, []byte(f.folders.fenceText())), at.tie())
}

// unbind takes the fence's drop-in away, if it is there, and the unit's token.
func (f *Files) unbind(unit cluster.UnitName) error {
	at := f.fence(unit)
	if !at.tied() {
		return nil
	}
	return errors.Join(at.untie(), absent(os.Remove(f.token(unit))))
}

// Fenced says whether the unit is bound to the fence here.
func (f *Files) Fenced(unit cluster.UnitName) bool { return f.fence(unit).tied() }

// SaveToken has a fenced unit find its token in FLEET_FENCING_TOKEN when it is
// started next.
func (f *Files) SaveToken(unit cluster.UnitName, token int64) error {
	text := "FLEET_FENCING_TOKEN=" + strconv.FormatInt(token, 10) + "\n"
	if err := replace(f.token(unit), []byte(text)); err != nil {
		return fmt.Errorf("keep the fencing token of %s: %w", unit, err)
	}
	return nil
}

func (f *Files) token(unit cluster.UnitName) string {
	return filepath.Join(f.folders.Tokens, string(unit.Service()))
}
