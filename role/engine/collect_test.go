package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
)

// drop takes a unit out of the cluster.
func (w *world) drop(name cluster.UnitName) {
	w.Helper()
	unit, _, err := w.store.Unit(w.Context(), name)
	if err == nil {
		err = w.store.DeleteUnit(w.Context(), name, unit.Revision)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// holds says whether the store has a text.
func (w *world) holds(text string) bool {
	w.Helper()
	_, err := w.store.Content(w.Context(), cluster.HashOf(text))
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		w.Fatal(err)
	}
	return err == nil
}

func TestUnusedTextsAreCollected(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.start(1, "a")
		w.ask("web.service")
		time.Sleep(time.Hour)
		if !w.holds(text) {
			t.Fatal("the text of a unit that is there was collected")
		}
		w.drop("web.service")
		time.Sleep(2 * collectEvery)
		synctest.Wait()
		if w.holds(text) {
			t.Error("a text that nothing uses is still there")
		}
		writes := w.store.Writes()
		time.Sleep(24 * time.Hour)
		if more := w.store.Writes() - writes; more > 0 {
			t.Errorf("%d writes in a day with nothing to collect", more)
		}
		w.ask("web.service")
		w.want("web.service", "1:1")
	})
}

// TestManyUnusedTexts checks that one round follows the other while there is
// something to collect.
func TestManyUnusedTexts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.start(1, "a")
		var texts []string
		for n := range 3*collectAtOnce - 1 {
			body := fmt.Sprintf("%s# %d\n", text, n)
			if _, err := w.store.PutUnit(t.Context(), cluster.Unit{Name: "web.service", Hash: cluster.HashOf(body), Desired: cluster.Inactive}, body); err != nil {
				t.Fatal(err)
			}
			w.drop("web.service")
			texts = append(texts, body)
		}
		time.Sleep(collectEvery + time.Minute) // the store confirms each mark within a second
		synctest.Wait()
		for _, body := range texts {
			if w.holds(body) {
				t.Fatalf("still there: %q", body)
			}
		}
	})
}

// TestTextUsedAgain writes a unit with a text that nothing used when the engine
// looked: before its mark, of which the engine hears in time, and after it.
func TestTextUsedAgain(t *testing.T) {
	for _, when := range []string{"before the mark", "before the end"} {
		t.Run(when, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.register(1)
				engine := w.start(1, "a")
				w.ask("web.service")
				synctest.Wait()
				w.drop("web.service")
				synctest.Wait()
				asked := false
				engine.with(func(n *node) {
					n.collecting = func(step string) {
						if step == when && !asked {
							asked = true
							w.ask("web.service")
						}
					}
				})
				time.Sleep(3 * collectEvery)
				w.want("web.service", "1:1")
				if !asked || !w.holds(text) {
					t.Errorf("asked: %v, the text of a unit is there: %v", asked, w.holds(text))
				}
			})
		})
	}
}

// TestDeposedCollectsNothing deposes the leader between mark and end.
func TestDeposedCollectsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		engine := w.start(1, "a")
		w.ask("web.service")
		synctest.Wait()
		w.drop("web.service")
		synctest.Wait()
		deposed := 0
		engine.with(func(n *node) {
			n.collecting = func(step string) {
				l, err := w.store.Leader(t.Context())
				if step == "before the end" && deposed == 0 && err == nil {
					deposed++
					_, err = w.store.TakeLead(t.Context(), l)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		time.Sleep(collectEvery + time.Minute)
		synctest.Wait()
		if deposed != 1 || !w.holds(text) {
			t.Errorf("deposed %d times; the text is there: %v, want true", deposed, w.holds(text))
		}
		time.Sleep(2 * collectEvery) // and in its next term does what it could not
		synctest.Wait()
		if w.holds(text) {
			t.Error("a text that nothing uses is still there")
		}
	})
}

// TestCollectWaitsForTheMark checks that nothing ends on a picture that is older
// than the mark: a unit that was written just before it would not be in there.
func TestCollectWaitsForTheMark(t *testing.T) {
	now := time.Now()
	e := &Engine{known: 5, collector: collector{next: now, marked: []cluster.Hash{"ab"}, mark: 6}}
	if wait := e.collect(t.Context(), now); wait != forever || len(e.collector.marked) != 1 { // without a store: it would panic
		t.Errorf("wait %s, %+v; want to wait for news", wait, e.collector)
	}
}

func (n *node) MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (int64, error) {
	n.step("before the mark")
	return n.Store.MarkUnused(ctx, term, hashes)
}

func (n *node) Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (int, error) {
	n.step("before the end")
	return n.Store.Collect(ctx, term, mark, hashes)
}

func (n *node) step(name string) {
	n.mu.Lock()
	collecting := n.collecting
	n.mu.Unlock()
	if collecting != nil {
		collecting(name)
	}
}
