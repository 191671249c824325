// Package discovery is the protocol by which machines that boot find each other
// and become one etcd, as values. A token names the cluster to be; each machine
// writes its name and peer URLs below the token in etcd 2's keys API, the first
// of them up to the token's size are the members, and the rest are told that the
// cluster is full.
//
// request.go and ledger.go are the service's half (what discovery.etcd.io
// answered), cluster.go is the machine's (what etcd 2 made of it). Who carries
// the requests is decided elsewhere.
package discovery

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Registry is where all tokens lie in the keys API.
const Registry = "/_etcd/registry"

const (
	// DefaultSize is how many members a cluster has whose maker did not say.
	DefaultSize = 3
	// MaxSize is the largest size of a token. A large etcd has nine members.
	MaxSize = 100
	// MaxMachines is how many may register with a token: those who came in the
	// same moment as the last member register, too, before they learn of it.
	MaxMachines = 2 * MaxSize
	// maxName is how long a machine's name in the token may be. etcd's are IDs
	// of up to 16 digits.
	maxName = 255
)

// Request is what an HTTP request asks of the service: a Home, Robots, Health,
// New, Keys, Moved, WrongMethod or Unknown.
type Request interface{ request() }

// Home asks what this is.
type Home struct{}

// Robots asks what search engines may read.
type Robots struct{}

// Health asks whether tokens can be made.
type Health struct{}

// New asks for a token.
type New struct{}

// Keys is passed on to the keys API.
type Keys struct {
	Token string
	Key   string // from the root of the keys, below Registry
	Put   bool   // it may bring something into being
}

// Moved is a path that has a tidier form.
type Moved struct{ To string }

// WrongMethod is a path that knows only other methods.
type WrongMethod struct{ Allow string }

// Unknown is any other path.
type Unknown struct{}

func (Home) request()        {}
func (Robots) request()      {}
func (Health) request()      {}
func (New) request()         {}
func (Keys) request()        {}
func (Moved) request()       {}
func (WrongMethod) request() {}
func (Unknown) request()     {}

var token = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Parse tells what a request asks from its method and path (decoded, without the
// query). Pages that change nothing of a token answer every method.
func Parse(method, target string) Request {
	if tidy := tidyPath(target); tidy != target {
		return Moved{To: tidy}
	}
	switch target {
	case "/":
		return Home{}
	case "/robots.txt":
		return Robots{}
	case "/health":
		return Health{}
	case "/new":
		return New{}
	}
	name, rest, _ := strings.Cut(target[1:], "/")
	if !token.MatchString(name) {
		return Unknown{}
	}
	allow := "GET, PUT, DELETE"
	switch {
	case rest == "":
		allow = "GET, PUT"
	case rest == "_config/size":
		allow = "GET"
	case strings.Contains(rest, "/"), strings.HasPrefix(rest, "_"), len(rest) > maxName:
		return Unknown{} // hidden names are no machine's, and nobody could count them
	}
	for allowed := range strings.SplitSeq(allow, ", ") {
		if method == allowed {
			return Keys{Token: name, Key: path.Join(Registry, target), Put: method == "PUT"}
		}
	}
	return WrongMethod{Allow: allow}
}

// tidyPath is the path without dots and doubled slashes; a slash at the end stays.
func tidyPath(raw string) string {
	tidy := path.Clean("/" + raw)
	if strings.HasSuffix(raw, "/") && tidy != "/" {
		tidy += "/"
	}
	return tidy
}

// ParseSize reads the size that a new token shall have; nothing means the
// default. What is no number is refused in the public service's words.
func ParseSize(text string) (int, error) {
	if text == "" {
		return DefaultSize, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	if size < 1 || size > MaxSize {
		return 0, fmt.Errorf("size is %d: a cluster has 1 to %d members", size, MaxSize)
	}
	return size, nil
}
