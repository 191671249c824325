package keyspace

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the event as etcd prints it, in one line with its end.
//
// It is written out here because the bytes are promised and encoding/json's
// are not: since Go 1.22 it escapes \b and \f in another way than etcd 2 did.
func (e Event) AppendJSON(to []byte) []byte {
	to = append(to, `{"action":`...)
	to = appendString(to, string(e.Action))
	if e.Node != nil {
		to = append(to, `,"node":`...)
		to = e.Node.appendJSON(to)
	}
	if e.PrevNode != nil {
		to = append(to, `,"prevNode":`...)
		to = e.PrevNode.appendJSON(to)
	}
	return append(to, '}', '\n')
}

// appendJSON leaves out what is empty or zero, and the root's key.
func (n *Node) appendJSON(to []byte) []byte {
	to = append(to, '{')
	begin := len(to)
	field := func(name string) {
		if len(to) > begin {
			to = append(to, ',')
		}
		to = append(to, '"')
		to = append(to, name...)
		to = append(to, '"', ':')
	}
	if n.Key != Root {
		field("key")
		to = appendString(to, string(n.Key))
	}
	if n.Value != nil {
		field("value")
		to = appendString(to, *n.Value)
	}
	if n.Dir {
		field("dir")
		to = append(to, "true"...)
	}
	if !n.Expiration.IsZero() {
		field("expiration")
		to = append(to, '"')
		to = n.Expiration.UTC().AppendFormat(to, time.RFC3339Nano)
		to = append(to, '"')
	}
	if n.TTL != 0 {
		field("ttl")
		to = strconv.AppendInt(to, n.TTL, 10)
	}
	if len(n.Nodes) > 0 {
		field("nodes")
		separator := byte('[')
		for _, child := range n.Nodes {
			to = append(to, separator)
			to = child.appendJSON(to)
			separator = ','
		}
		to = append(to, ']')
	}
	if n.Modified != 0 {
		field("modifiedIndex")
		to = strconv.AppendUint(to, n.Modified, 10)
	}
	if n.Created != 0 {
		field("createdIndex")
		to = strconv.AppendUint(to, n.Created, 10)
	}
	return append(to, '}')
}

// AppendJSON appends the refusal as etcd prints it, in one line with its end.
func (e *Error) AppendJSON(to []byte) []byte {
	to = append(to, `{"errorCode":`...)
	to = strconv.AppendInt(to, int64(e.Code), 10)
	to = append(to, `,"message":`...)
	to = appendString(to, e.Message())
	if e.Cause != "" {
		to = append(to, `,"cause":`...)
		to = appendString(to, e.Cause)
	}
	to = append(to, `,"index":`...)
	to = strconv.AppendUint(to, e.Index, 10)
	return append(to, '}', '\n')
}

// appendString quotes a string so that it may stand in a web page, too. What
// is not UTF-8 becomes the replacement character.
func appendString(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			to = append(to, '\\', byte(r))
		case r == '\n':
			to = append(to, '\\', 'n')
		case r == '\r':
			to = append(to, '\\', 'r')
		case r == '\t':
			to = append(to, '\\', 't')
		case r < ' ' || r == '<' || r == '>' || r == '&':
			to = append(to, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '\u2028' || r == '\u2029':
			to = append(to, `\u202`...)
			to = append(to, hex[r&15])
		case r == utf8.RuneError && size == 1:
			to = append(to, `\ufffd`...)
		default:
			to = append(to, s[:size]...)
		}
		s = s[size:]
	}
	return append(to, '"')
}
