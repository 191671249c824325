package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// Record keeps that a unit is being, or was, started.
func (f *Files) Record(r converge.Record) error {
	if _, err := cluster.ParseUnitName(string(r.Unit)); err != nil {
		return err
	}
	content, err := json.Marshal(r)
	if err == nil {
		err = replace(filepath.Join(f.folders.Started, string(r.Unit)), content)
	}
	if err != nil {
		return fmt.Errorf("record the start of %s: %w", r.Unit, err)
	}
	return nil
}

// Forget drops the record of a unit, if there is one, and the secrets that it was given.
func (f *Files) Forget(unit cluster.UnitName) error {
	if err := errors.Join(absent(os.Remove(filepath.Join(f.folders.Started, string(unit)))), f.withdraw(unit)); err != nil {
		return fmt.Errorf("forget the start of %s: %w", unit, err)
	}
	return nil
}

// Records returns all records. One that cannot be read says nothing of its unit
// and is left out; the error names it, and the others are good all the same.
func (f *Files) Records() ([]converge.Record, error) {
	entries, err := os.ReadDir(f.folders.Started)
	if err != nil {
		return nil, absent(err)
	}
	var records []converge.Record
	var bad []error
	for _, entry := range entries {
		name, err := cluster.ParseUnitName(entry.Name())
		if err != nil {
			continue // a file that was being written
		}
		content, err := os.ReadFile(filepath.Join(f.folders.Started, entry.Name()))
		r := converge.Record{Unit: name}
		if err == nil {
			err = json.Unmarshal(content, &r)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("read the record of %s: %w", name, err))
			continue
		}
		records = append(records, r)
	}
	return records, errors.Join(bad...)
}

// SaveLease keeps the machine's lease for the next life of fleetd in this boot.
func (f *Files) SaveLease(lease int64) error {
	if err := replace(f.folders.Lease, strconv.AppendInt(nil, lease, 10)); err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	return nil
}

// Lease is the lease that was kept, 0 where there is none.
func (f *Files) Lease() (int64, error) {
	content, err := os.ReadFile(f.folders.Lease)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the lease: %w", err)
	}
	lease, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	if err != nil || lease <= 0 {
		return 0, fmt.Errorf("read the lease from %s: expected a number above 0, found %q", f.folders.Lease, content)
	}
	return lease, nil
}

// ForgetLease drops the lease that was kept, if there is one.
func (f *Files) ForgetLease() error {
	if err := absent(os.Remove(f.folders.Lease)); err != nil {
		return fmt.Errorf("forget the lease: %w", err)
	}
	return nil
}
