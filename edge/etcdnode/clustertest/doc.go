// Package clustertest is the ring of tests in which three real members of the
// store, each a process with fsync and mutual TLS, are stopped, killed and started
// again. It holds nothing but tests; they take seconds, so `make check` leaves
// them out.
package clustertest
