package keyspace

import "slices"

// WatcherID names one who waits.
type WatcherID uint64

// Watchers are those who wait, and decide whom a change concerns. A change is
// looked up by the keys it touches, so that it costs nothing to those who wait
// elsewhere.
type Watchers struct {
	last  WatcherID
	byKey map[Key][]watcher
}

type watcher struct {
	id WatcherID
	Watch
}

// NewWatchers is nobody.
func NewWatchers() *Watchers { return &Watchers{byKey: map[Key][]watcher{}} }

// Add registers a watch. It sees what is told from now on, from its Since on.
func (ws *Watchers) Add(watch Watch) WatcherID {
	ws.last++
	ws.byKey[watch.Key] = append(ws.byKey[watch.Key], watcher{ws.last, watch})
	return ws.last
}

// Remove forgets a watcher, if it is still there.
func (ws *Watchers) Remove(watch Watch, id WatcherID) {
	there := ws.byKey[watch.Key]
	place, found := slices.BinarySearchFunc(there, id, func(w watcher, id WatcherID) int {
		return int(w.id) - int(id)
	})
	if found {
		ws.keep(watch.Key, slices.Delete(there, place, place+1))
	}
}

// Tell says who is told of the change, in which order, and forgets those who
// waited for one event only. A stream is named twice when its own key goes: once
// for the removal of the key, once for the event at the key. etcd does so.
func (ws *Watchers) Tell(change Change) []WatcherID {
	if change.Silent {
		return nil
	}
	key, index := change.Event.Node.Key, change.Index()
	var told []WatcherID
	for _, gone := range change.Gone {
		told = ws.tellAt(told, gone, index, func(Watch) bool { return true })
	}
	told = ws.tellAt(told, key, index, func(Watch) bool { return true })
	for at := key; at != Root; {
		at = at.Parent()
		if !key.hiddenFrom(at) {
			told = ws.tellAt(told, at, index, func(w Watch) bool { return w.Recursive })
		}
	}
	return told
}

func (ws *Watchers) tellAt(told []WatcherID, key Key, index uint64, concerns func(Watch) bool) []WatcherID {
	waiting := ws.byKey[key]
	if len(waiting) == 0 {
		return told
	}
	staying := waiting[:0]
	for _, w := range waiting {
		tell := index >= w.Since && concerns(w.Watch)
		if tell {
			told = append(told, w.id)
		}
		if !tell || w.Stream {
			staying = append(staying, w)
		}
	}
	ws.keep(key, staying)
	return told
}

func (ws *Watchers) keep(key Key, staying []watcher) {
	if len(staying) == 0 {
		delete(ws.byKey, key)
		return
	}
	ws.byKey[key] = staying
}

// Waiting is how many there are.
func (ws *Watchers) Waiting() int {
	count := 0
	for _, waiting := range ws.byKey {
		count += len(waiting)
	}
	return count
}
