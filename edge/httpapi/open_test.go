package httpapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestOpen checks that an open port answers without asking who is there, and that
// nothing but a loopback port can be one.
func TestOpen(t *testing.T) {
	for at, want := range map[string]int{"127.0.0.1:0": http.StatusOK, "[::1]:0": http.StatusOK, "0.0.0.0:0": http.StatusUnauthorized} {
		plain, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		a := New(Config{Registry: &fakeRegistry{}, Self: here, Host: "core-01", Version: "1"})
		go func() { served <- a.Serve(ctx, Open(plain)) }()
		answer, err := http.Get("http://" + plain.Addr().String() + "/fleet/v2/machines")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s answers %d %s, %v; want %d", at, answer.StatusCode, text, err, want)
		}
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}
