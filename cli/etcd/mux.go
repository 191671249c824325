package etcd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// olderMux is the setting of Go (https://go.dev/doc/godebug) that brings back the
// mux of Go 1.21.
const olderMux = "httpmuxgo121"

// beginAgain makes this process begin anew, as the same process, with the mux of
// etcd 2's time. etcd puts Go's mux before every handler, and the present one
// answers untidy paths (/v2/keys//a) with 307 where programs of etcd 2 know 301,
// and tells others untidy. Go reads the setting once, as a process begins; fleetd,
// in the same binary, needs the present mux, so it cannot be built in.
func beginAgain() error {
	settings := os.Getenv("GODEBUG")
	if strings.Contains(settings, olderMux+"=") {
		return nil // it has, or somebody wants it otherwise
	}
	if settings != "" {
		settings += ","
	}
	program, err := os.Executable()
	if err == nil {
		err = os.Setenv("GODEBUG", settings+olderMux+"=1")
	}
	if err == nil {
		err = syscall.Exec(program, os.Args, os.Environ())
	}
	return fmt.Errorf("begin again with GODEBUG=%s=1: %w", olderMux, err)
}
