// Package units carries the systemd units that a machine of the cluster runs.
package units

import "embed"

// Files holds them, by their names.
//
//go:embed *.service *.socket *.target
var Files embed.FS
