// Package discovery has machines find each other through the discovery service
// with real processes: etcds of ours and Debian's own, started as machines start
// them. Its tests have the build tag store.
package discovery
