package detector

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"argosy/core/cluster"
	"argosy/core/detect"
	"argosy/role/runtime"
)

const (
	// writeTime bounds one write: a word that comes late may be wrong by then.
	writeTime = 3 * time.Second
	// retryPause is what follows a write that has not reached the store.
	retryPause = 250 * time.Millisecond
	// leaseCheck is how often a silent machine's word is looked at, which the end of
	// this machine's lease takes away.
	leaseCheck = time.Second
	// A write whose answer was lost may be done yet: a member that was stopped finds it
	// in its socket when it goes on, and a word would stand that is so no more. For
	// doubtTime after such a one all is written again each doubtPause.
	doubtTime  = time.Minute
	doubtPause = 5 * time.Second
)

// teller writes the detector's words, and takes them back, where they differ from
// what it has written. A store that is slow holds up no probe.
type teller struct {
	config Config
	bell   runtime.Bell // of run

	mu     sync.Mutex
	wanted map[cluster.MachineID]detect.Word
	zero   time.Time // the wall clock's time of the detector's zero, as of now

	// What follows is run's. A target of which nothing was written in this life is
	// not in written: an earlier life may have left a word.
	lease   int64
	written map[cluster.MachineID]detect.Word
	doubted time.Time // until when what is written is not sure,
	again   time.Time // and when all is written once more
}

func newTeller(config Config) *teller {
	return &teller{
		config: config, bell: config.Runtime.NewBell(),
		wanted: map[cluster.MachineID]detect.Word{}, written: map[cluster.MachineID]detect.Word{},
	}
}

// assign has words on machines that are not probed any more taken back.
func (t *teller) assign(targets []cluster.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	probed := map[cluster.MachineID]bool{}
	for _, target := range targets {
		probed[target.Machine] = true
	}
	maps.DeleteFunc(t.wanted, func(id cluster.MachineID, _ detect.Word) bool { return !probed[id] })
	t.bell.Ring()
}

// say has words written, where they are news.
func (t *teller) say(words []detect.Word, zero time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zero = zero
	news := false
	for _, word := range words {
		old, said := t.wanted[word.Target]
		news = news || !said || !sameWord(old, word)
		t.wanted[word.Target] = word
	}
	if news {
		t.bell.Ring()
	}
}

func (t *teller) run(ctx context.Context) {
	on := t.config.Runtime
	for ctx.Err() == nil {
		var until time.Time
		if err := t.write(ctx); err != nil {
			t.config.Log.Debug("not told of silent machines", "error", err)
			until = on.Now().Add(retryPause)
		} else if t.speaks() {
			until = on.Now().Add(leaseCheck)
		} else if on.Now().Before(t.doubted) {
			until = t.again
		}
		_ = t.bell.Wait(ctx, until) // ends with ctx
	}
}

// speaks says whether a word of this machine's stands.
func (t *teller) speaks() bool {
	for _, word := range t.written {
		if word.Silent {
			return true
		}
	}
	return false
}

// write writes what differs from what is written.
func (t *teller) write(ctx context.Context) error {
	if lease := t.config.Lease(); lease != t.lease {
		// With the lease before went all that was written.
		t.lease = lease
		clear(t.written)
	}
	if t.lease == 0 {
		return cluster.ErrLeaseGone
	}
	known, at := t.written, t.config.Runtime.Now()
	if at.Before(t.doubted) && !at.Before(t.again) {
		known, t.again = nil, at.Add(doubtPause)
	}
	words, withdrawn, now := t.differences(known)
	if len(words)+len(withdrawn) == 0 {
		return nil
	}
	ctx, cancel := t.config.Runtime.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := t.config.Store.PutSuspicions(ctx, t.lease, t.config.Machine, words, withdrawn); err != nil {
		t.doubted, t.again = t.config.Runtime.Now().Add(doubtTime), time.Time{}
		return err
	}
	for _, word := range words {
		if old := t.written[word.Target]; sameWord(old, now[word.Target]) {
			continue
		}
		t.config.Log.Warn("a machine's kernel does not answer", "machine", word.Target, "since", word.Since, "never", word.Never, "reached", len(word.Reaches))
	}
	for _, target := range withdrawn {
		if t.written[target].Silent {
			t.config.Log.Info("a machine is not silent any more, or probed by others", "machine", target)
		}
	}
	t.written = now
	return nil
}

// differences lists what is to be written and taken back where so much is known to be
// written, and what stands after.
func (t *teller) differences(known map[cluster.MachineID]detect.Word) (words []cluster.Suspicion, withdrawn []cluster.MachineID, now map[cluster.MachineID]detect.Word) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now = maps.Clone(t.wanted)
	for _, id := range slices.Sorted(maps.Keys(now)) {
		word := now[id]
		old, told := known[id]
		switch {
		case told && sameWord(old, word):
		case word.Silent:
			words = append(words, cluster.Suspicion{
				Target: id, Prober: t.config.Machine, Since: t.zero.Add(word.Since).UTC().Truncate(time.Millisecond),
				Never: word.Never, Reaches: word.Reaches,
			})
		default:
			withdrawn = append(withdrawn, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.written)) {
		if _, probed := now[id]; !probed && t.written[id].Silent {
			withdrawn = append(withdrawn, id)
		}
	}
	return words, withdrawn, now
}
