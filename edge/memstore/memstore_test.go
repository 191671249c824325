package memstore

import (
	"testing"

	"argosy/edge/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend { return New() })
}
