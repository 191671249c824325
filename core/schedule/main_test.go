package schedule_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain has the properties tried often enough to meet the rare orders; they
// are cheap. A flag on the command line still wins.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "5000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
