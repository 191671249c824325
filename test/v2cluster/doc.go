// Package v2cluster tries etcd 2's API on three real members, as processes of
// their own with etcd's own sync to disk: what many clients see while members
// are killed, how many may wait, and how fast it is beside etcd's v3 API.
//
// The tests are those of the ring "store": go test -tags store ./test/v2cluster
package v2cluster
