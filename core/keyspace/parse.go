package keyspace

import (
	"fmt"
	"strconv"
	"time"
)

// Query is a request with how its answer is wanted.
type Query struct {
	Request  Request
	NoValues bool // noValueOnSuccess=true: the answer to a write is its action only
}

// Parse reads what an HTTP request asks: its method, the key in its path and
// the fields of its query and form, those of the form first. Each field's
// first value counts; unknown fields are nobody's business. Of several faults
// the first is refused, in the order in which etcd looks. A TTL counts from now.
func Parse(method string, key Key, values map[string][]string, now time.Time) (Query, error) {
	f := fields{values: values}
	q := f.read(method, now)
	if f.fault != nil {
		return Query{}, f.fault
	}
	return Query{Request: q.request(method, key), NoValues: q.noValues}, nil
}

// BadForm is the refusal of a query or form that cannot be read at all.
func BadForm(cause error) *Error { return &Error{Code: InvalidForm, Cause: cause.Error()} }

// asked is what the fields say, before the method gives them a meaning.
type asked struct {
	guard                                        Guard
	since                                        uint64
	recursive, sorted, wait, dir, quorum, stream bool
	noValues                                     bool
	prevExist, prevExistGiven                    bool
	content                                      Content
}

func (f *fields) read(method string, now time.Time) asked {
	var a asked
	a.guard.Index = f.number("prevIndex", IndexNotNumber)
	a.since = f.number("waitIndex", IndexNotNumber)
	a.recursive = f.flag("recursive")
	a.sorted = f.flag("sorted")
	a.wait = f.flag("wait")
	a.dir = f.flag("dir")
	a.quorum = f.flag("quorum")
	a.stream = f.flag("stream")
	if a.wait && method != "GET" {
		f.refuse(InvalidField, `"wait" can only be used with GET requests`)
	}
	a.guard.Value = f.text("prevValue")
	if f.given("prevValue") && a.guard.Value == "" {
		f.refuse(PrevValueRequired, `"prevValue" cannot be empty`)
	}
	a.noValues = f.flag("noValueOnSuccess")
	if f.text("ttl") != "" {
		a.content.Expiration = after(now, f.number("ttl", TTLNotNumber))
	}
	a.prevExistGiven = f.given("prevExist")
	a.prevExist = f.plainFlag("prevExist")
	a.content.Refresh = f.plainFlag("refresh")
	a.content.Value = f.text("value")
	if a.content.Refresh && a.content.Value != "" {
		f.refuse(RefreshWithValue, "A value was provided on a refresh")
	}
	if a.content.Refresh && f.text("ttl") == "" {
		f.refuse(RefreshWithoutTTL, "No TTL value set")
	}
	return a
}

// request gives the fields their meaning. Which methods there are is the
// caller's knowledge; HEAD is a GET that never waits and asks no quorum.
func (a asked) request(method string, key Key) Request {
	fresh := Content{Value: a.content.Value, Expiration: a.content.Expiration}
	guarded := a.guard != Guard{}
	switch method {
	case "PUT":
		switch {
		case a.prevExistGiven && !a.prevExist:
			return Create{Key: key, Dir: a.dir, Content: fresh}
		case guarded:
			return CompareAndSwap{Key: key, Guard: a.guard, Content: a.content}
		case a.prevExist:
			return Update{Key: key, Content: a.content}
		}
		return Set{Key: key, Dir: a.dir, Content: a.content}
	case "POST":
		return CreateInOrder{Directory: key, Dir: a.dir, Content: fresh}
	case "DELETE":
		if guarded {
			return CompareAndDelete{Key: key, Guard: a.guard}
		}
		return Delete{Key: key, Dir: a.dir, Recursive: a.recursive}
	case "GET":
		if a.wait && !a.quorum {
			return Watch{Key: key, Recursive: a.recursive, Stream: a.stream, Since: a.since}
		}
		return Get{Key: key, Recursive: a.recursive, Sorted: a.sorted, Quorum: a.quorum}
	}
	return Get{Key: key, Recursive: a.recursive, Sorted: a.sorted}
}

// after adds seconds in nanoseconds of 64 bits as etcd does, overflow included:
// a TTL of centuries comes out in the past, where Tree.Apply knows it again.
func after(now time.Time, seconds uint64) time.Time {
	then := now.Add(time.Duration(seconds) * time.Second).UnixNano()
	if then == 0 {
		return time.Time{}
	}
	return time.Unix(0, then).UTC()
}

// fields reads the fields of a form and keeps the first fault.
type fields struct {
	values map[string][]string
	fault  error
}

func (f *fields) given(name string) bool { return len(f.values[name]) > 0 }

func (f *fields) text(name string) string {
	if !f.given(name) {
		return ""
	}
	return f.values[name][0]
}

func (f *fields) flag(name string) bool { return f.truth(name, strconv.Quote(name)) }

// plainFlag is a flag that etcd names without quotes when it refuses it.
func (f *fields) plainFlag(name string) bool { return f.truth(name, name) }

func (f *fields) truth(name, shown string) bool {
	if !f.given(name) {
		return false
	}
	truth, err := strconv.ParseBool(f.text(name))
	if err != nil {
		f.refuse(InvalidField, "invalid value for "+shown)
	}
	return truth
}

func (f *fields) number(name string, otherwise Code) uint64 {
	if !f.given(name) {
		return 0
	}
	number, err := strconv.ParseUint(f.text(name), 10, 64)
	if err != nil {
		f.refuse(otherwise, fmt.Sprintf("invalid value for %q", name))
	}
	return number
}

func (f *fields) refuse(code Code, cause string) {
	if f.fault == nil {
		f.fault = &Error{Code: code, Cause: cause}
	}
}
