package sealing

import (
	"strings"
	"testing"

	"argosy/core/cluster"
)

func TestAnAuthoritysKeyIsSealed(t *testing.T) {
	f := created(t)
	text, err := f.SealKey([]byte("a key"))
	if err != nil || strings.Contains(text, "a key") {
		t.Fatalf("%q, %v", text, err)
	}
	if key, err := f.OpenKey(text); err != nil || string(key) != "a key" {
		t.Errorf("%q, %v", key, err)
	}
	if _, err := f.OpenKey("waste"); err == nil || !strings.Contains(err.Error(), "read the sealed key of an authority") {
		t.Error(err)
	}
	if _, err := created(t).OpenKey(text); err == nil {
		t.Error("another cluster's key opens it")
	}
	if _, err := cluster.ParseSecretName(string(authorityKey)); err == nil {
		t.Error("a secret may have its name")
	}
}
