package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"argosy/core/api"
)

// What answers may be no API at all: a proxy on the way, another program's port.
func FuzzAnswers(f *testing.F) {
	for _, answer := range []string{
		"", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 409 Conflict\r\nContent-Length: 37\r\n\r\n" + `{"error":{"code":200,"message":"busy"}}`,
		"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "HTTP/1.1 404\r\n\r\n" + `{"error":null}`, "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		refusal := readError(&http.Response{StatusCode: http.StatusConflict, Status: "409 Conflict", Body: io.NopCloser(bytes.NewReader(answer))})
		var told *api.Error
		if !errors.As(refusal, &told) || told.Code != http.StatusConflict || told.Message == "" {
			t.Errorf("%q is told as %v", answer, refusal)
		}
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer far.Close()
			_, _ = far.Read(make([]byte, 4096))
			_, _ = far.Write(answer)
		}()
		if err := askThrough(near, "member"); err == nil && !bytes.Contains(answer, []byte(" 200")) {
			t.Errorf("%q lets through", answer)
		}
		_ = near.Close()
		<-done
	})
}
