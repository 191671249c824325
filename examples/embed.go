// Package examples carries what a new local cluster is shown with; the folder's
// other files are for people who read them.
package examples

import _ "embed"

// Hello is hello@.service: a template with at most one instance a machine.
//
//go:embed hello@.service
var Hello string
