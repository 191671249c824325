package runtime_test

import (
	"testing"
	"testing/synctest"

	"argosy/role/runtime"
	"argosy/role/runtime/runtimetest"
)

func TestReal(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, test func(*testing.T, runtime.Runtime)) {
		synctest.Test(t, func(t *testing.T) { test(t, runtime.Real()) })
	})
}
