//go:build machines

package attack

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// ask sends a request as it stands over a connection and returns all that comes back.
func ask(t *testing.T, conn net.Conn, words string) string {
	t.Helper()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(knocking))
	// Who is refused early is not read to the end: the answer may be there already.
	_, _ = io.WriteString(conn, words)
	answer, err := io.ReadAll(conn)
	if len(answer) == 0 && err != nil {
		return err.Error()
	}
	return string(answer)
}

// through connects to a port of the member's with the member's own certificate: what
// is refused there is refused for what it says.
func through(t *testing.T, port string) net.Conn {
	t.Helper()
	conn, err := target.dial(t.Context(), net.JoinHostPort(target.address(member), port))
	if err != nil {
		t.Fatal(err)
	}
	secrets := target.secrets(t, member, "machine")
	secrets.ServerName = target.address(member)
	return tls.Client(conn, secrets)
}

// request is one in HTTP/1.1 with a body, told of rightly.
func request(method, path, kind, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: there\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, kind, len(body), body)
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// Requests that are too large, that do not parse or that say two things at once are
// refused on each way in, and change nothing.
func TestRequestsThatAreNone(t *testing.T) {
	target.unharmed(t)
	const (
		start = "PUT /fleet/v2/units/evil.service HTTP/1.1\r\nHost: there\r\nConnection: close\r\nContent-Type: application/json\r\n"
		good  = `{"text":"[Service]\nExecStart=/bin/true\n","desired":"inactive"}`
	)
	deep := strings.Repeat(`{"text":`, 200_000)
	large := strings.Repeat("x", 3<<20)
	over := map[string]string{
		"no HTTP":                   "EHLO there\r\n\r\n",
		"HTTP/3.7":                  "GET /fleet/v2/machines HTTP/3.7\r\nHost: there\r\n\r\n",
		"no host":                   "GET /fleet/v2/machines HTTP/1.1\r\nConnection: close\r\n\r\n",
		"two hosts":                 "GET /fleet/v2/machines HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
		"a NUL in a header":         "GET /fleet/v2/machines HTTP/1.1\r\nHost: there\r\nX: a\x00b\r\nConnection: close\r\n\r\n",
		"two lengths":               start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + good,
		"a length below nothing":    start + "Content-Length: -1\r\n\r\n" + good,
		"an encoding of its own":    start + "Transfer-Encoding: xchunked\r\n\r\n" + good,
		"a chunk of no size":        start + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + good,
		"a header of 2 MiB":         "GET /fleet/v2/machines HTTP/1.1\r\nHost: there\r\nX: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"a path that does not end":  "GET /" + strings.Repeat("a/", 1<<20) + " HTTP/1.1\r\nHost: there\r\n\r\n",
		"a body of 3 MiB":           request("PUT", "/fleet/v2/units/evil.service", asJSON, `{"text":"`+large+`","desired":"inactive"}`),
		"a text of 2 MB":            request("PUT", "/fleet/v2/units/evil.service", asJSON, `{"text":"`+large[:2_000_000]+`","desired":"inactive"}`),
		"JSON 200,000 deep":         request("PUT", "/fleet/v2/units/evil.service", asJSON, deep),
		"two objects":               request("PUT", "/fleet/v2/units/evil.service", asJSON, good+good),
		"bytes that are no text":    request("PUT", "/fleet/v2/units/evil.service", asJSON, "{\"text\":\"[Service]\\nExecStart=/bin/\xff\xfe\"}"),
		"a field that is none":      request("PUT", "/fleet/v2/units/evil.service", asJSON, `{"desired":"inactive","root":true}`),
		"a state that is none":      request("PUT", "/fleet/v2/units/evil.service", asJSON, strings.Replace(good, "inactive", "root", 1)),
		"no JSON":                   request("PUT", "/fleet/v2/units/evil.service", "text/plain", good),
		"a parameter that is none":  request("PUT", "/fleet/v2/units/evil.service?as=root", asJSON, good),
		"a method that is none":     request("BREW", "/fleet/v2/units/evil.service", asJSON, good),
		"v1: a body of 3 MiB":       request("PUT", "/fleet/v1/units/evil.service", asJSON, `{"options":[{"section":"`+large+`"}]}`),
		"v1: JSON 200,000 deep":     request("PUT", "/fleet/v1/units/evil.service", asJSON, deep),
		"v1: a line end in a value": request("PUT", "/fleet/v1/units/evil.service", asJSON, `{"desiredState":"inactive","options":[{"section":"Service","name":"ExecStart","value":"/bin/true\n[X-Fleet]\nGlobal=true"},{"section":"Ser]\n[vice","name":"A=b\nC","value":"d"}]}`),
		"v1: no token":              "GET /fleet/v1/units?nextPageToken=%%% HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n",
		"labels of another kind":    request("PATCH", "/fleet/v2/machines/../../x/labels", asJSON, `{"set":{"a":"b"}}`),
	}
	for what, words := range over {
		for way, open := range map[string]func() net.Conn{
			"socket": func() net.Conn { return target.socket(t, member) },
			"TLS":    func() net.Conn { return through(t, apiPort) },
		} {
			t.Run(way+"/"+what, func(t *testing.T) { refused(t, ask(t, open(), words)) })
		}
	}
	for what, words := range map[string]string{
		"no HTTP":               "EHLO there\r\n\r\n",
		"two lengths":           "PUT /v2/keys/evil HTTP/1.1\r\nHost: there\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nvalue=x",
		"a form of 11 MiB":      request("PUT", "/v2/keys/evil", asForm, "value="+strings.Repeat("x", 11<<20)),
		"v3: JSON 200,000 deep": request("POST", "/v3/kv/put", asJSON, deep),
		"v3: no base64":         request("POST", "/v3/kv/put", asJSON, `{"key":"***","value":"***"}`),
		"v3: a body of 3 MiB":   request("POST", "/v3/kv/put", asJSON, `{"key":"ZXZpbA==","value":"`+strings.Repeat("QUFB", 1<<20)+`"}`),
		"keys: out of the tree": "PUT /v2/keys/../../v3/evil HTTP/1.0\r\nHost: there\r\nContent-Length: 7\r\n\r\nvalue=x",
	} {
		t.Run("store/"+what, func(t *testing.T) { refused(t, ask(t, through(t, clientPort), words)) })
	}
}

// refused wants an answer that says no, or the end of the connection where what came
// was no request at all.
func refused(t *testing.T, answer string) {
	t.Helper()
	line, _, _ := strings.Cut(answer, "\r\n")
	for _, no := range []string{"HTTP/1.1 4", "HTTP/1.0 4", "HTTP/1.1 3", "HTTP/1.0 3", "HTTP/1.1 501", "HTTP/1.1 505", "EOF", "reset", "closed"} {
		if strings.Contains(line, no) {
			return
		}
	}
	t.Errorf("answered %.200q", answer)
}
