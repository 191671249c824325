package discovery

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What can be wrong with a token or a machine's place in it, in etcd 2's words.
var (
	ErrInvalidURL    = errors.New("discovery: invalid URL")
	ErrBadSizeKey    = errors.New("discovery: size key is bad")
	ErrSizeNotFound  = errors.New("discovery: size key not found")
	ErrDuplicateID   = errors.New("discovery: found duplicate id")
	ErrDuplicateName = errors.New("discovery: found duplicate name")
	ErrFullCluster   = errors.New("discovery: cluster is full")
	ErrBadEndpoint   = errors.New("discovery: bad discovery endpoint")
	// ErrRetry is an answer that says nothing of the token: the service is not
	// well, and may be later.
	ErrRetry = errors.New("discovery: the service does not answer")
)

// etcd 2's error codes that the protocol knows.
const (
	codeKeyNotFound    = 100
	codeKeyExists      = 105
	codeHistoryCleared = 401
)

// Machine is one that has registered with a token.
type Machine struct {
	ID      string // of the member that it shall be, in hexadecimal
	URLs    string // name=peerURL[,name=peerURL...]
	Created uint64 // the index of its registration: whoever has a lower one came first
}

// answer is one of the keys API.
type answer struct {
	Code  int    `json:"errorCode"`
	Text  string `json:"message"`
	Why   string `json:"cause"`
	Index uint64 `json:"index"`
	Node  struct {
		Value string
		Nodes []struct {
			Key, Value   string
			CreatedIndex uint64
		}
	}
}

// parse reads an answer. A refusal is one of the errors above or a Refusal.
func parse(status int, body []byte) (answer, error) {
	if status >= 500 {
		return answer{}, ErrRetry
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, ErrBadEndpoint
	}
	switch {
	case status < 300:
		return a, nil
	case a.Code == 0:
		return a, ErrBadEndpoint
	}
	return a, Refusal{a.Code, a.Text, a.Why, a.Index}
}

// Refusal is the keys API's.
type Refusal struct {
	Code      int
	Text, Why string
	Index     uint64
}

func (r Refusal) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", r.Code, r.Text, r.Why, r.Index)
}

// ParseMembers reads how many members the cluster shall have, from the answer
// for the token's size.
func ParseMembers(status int, body []byte) (int, error) {
	a, err := parse(status, body)
	if refused(err, codeKeyNotFound) {
		return 0, fmt.Errorf("%w: %w", ErrSizeNotFound, err)
	}
	if err != nil {
		return 0, err
	}
	size, err := strconv.Atoi(a.Node.Value)
	if err != nil || size < 1 {
		return 0, ErrBadSizeKey
	}
	return size, nil
}

// ParseMachines reads who has registered, in the order of registration, from the
// answer for the token.
func ParseMachines(status int, body []byte) ([]Machine, error) {
	a, err := parse(status, body)
	if refused(err, codeKeyNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrSizeNotFound, err) // the token has ended since its size was read
	}
	if err != nil {
		return nil, err
	}
	var machines []Machine
	for _, node := range a.Node.Nodes {
		if name := path.Base(node.Key); !strings.HasPrefix(name, "_") {
			machines = append(machines, Machine{ID: name, URLs: node.Value, Created: node.CreatedIndex})
		}
	}
	slices.SortFunc(machines, func(a, b Machine) int { return cmp.Compare(a.Created, b.Created) })
	return machines, nil
}

// ParseRegistered reads the answer to a registration, which is a creation.
func ParseRegistered(status int, body []byte) error {
	_, err := parse(status, body)
	if refused(err, codeKeyExists) {
		return ErrDuplicateID
	}
	return err
}

// ParseWaited reads the answer to a wait: nil says that something has changed, or
// so much that nobody knows what.
func ParseWaited(status int, body []byte) error {
	if status == 200 && len(body) == 0 {
		return ErrRetry // the service, or something on the way, ended the wait
	}
	_, err := parse(status, body)
	if refused(err, codeHistoryCleared) {
		return nil
	}
	return err
}

func refused(err error, code int) bool {
	var refusal Refusal
	return errors.As(err, &refusal) && refusal.Code == code
}

// Full tells whether a cluster of that many members has no place for the machine:
// it is not among the first, and they are complete.
func Full(machines []Machine, size int, id string) bool {
	if len(machines) < size {
		return false
	}
	return !slices.ContainsFunc(machines[:size], func(m Machine) bool { return m.ID == id })
}

// InitialCluster is what each of the first machines starts etcd with: all of
// them, in etcd's own form. There must be as many.
func InitialCluster(machines []Machine, size int) (string, error) {
	var all, names, urls []string
	for _, machine := range machines[:size] {
		all = append(all, machine.URLs)
	}
	text := strings.Join(all, ",")
	for pair := range strings.SplitSeq(text, ",") {
		name, url, ok := strings.Cut(pair, "=")
		if !ok || name == "" || !peerURL.MatchString(url) {
			return text, ErrInvalidURL
		}
		names, urls = append(names, name), append(urls, url)
	}
	if len(distinct(names)) != size {
		return text, ErrDuplicateName
	}
	if len(distinct(urls)) != len(urls) {
		return text, errors.New("discovery cluster " + text + " has duplicate url")
	}
	return text, nil
}

// peerURL is what etcd takes for one: a scheme, a host and a port, and no more.
var peerURL = regexp.MustCompile(`^(https?|unixs?)://[^/?#@\s]+:[0-9]+$`)

func distinct(words []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(words)))
}
