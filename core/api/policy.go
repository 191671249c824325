package api

import "argosy/core/signing"

// PolicyChange is the body of PUT policy: what is asked of units from then on.
type PolicyChange struct {
	Keys    []signing.Key `json:"keys,omitempty"`    // in public; none: units need not be signed
	Digests bool          `json:"digests,omitempty"` // images are to be named by digest
}

// PolicyWritten answers PUT policy.
type PolicyWritten struct {
	Changed bool `json:"changed"` // false: it was so already, nothing was written
}
