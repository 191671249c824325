package engine

import "context"

// secured says whether the store lets only those in whom it knows. A new store is
// closed by its first leader; each term makes sure, in case one before has ended on
// the way.
func (e *Engine) secured(ctx context.Context) bool {
	if e.config.Secure == nil || e.secure == e.term.Revision {
		return true
	}
	if err := e.config.Secure(ctx); err != nil {
		if ctx.Err() == nil {
			e.config.Log.Warn("nothing is decided while anybody with a certificate may do anything", "error", err)
		}
		return false
	}
	e.secure = e.term.Revision
	return true
}
