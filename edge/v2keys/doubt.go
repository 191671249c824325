package v2keys

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// doubtAfter is how long a write waits before its member looks whether the
	// sequencer does anything; an election of etcd's own takes longer.
	doubtAfter = 500 * time.Millisecond
	// doubtFor is how long the sequencer then has to do something.
	doubtFor = 700 * time.Millisecond
)

// doubt ends the office of a sequencer that leaves its letters where they are. The
// lease of a lost one lives on for seconds, and is renewed when etcd's leader goes
// with it. To be wrong is harmless: every transaction of a sequencer compares its
// office, and one that lost it stands again.
func (c *Cluster) doubt(ctx context.Context) {
	if !c.doubting.TryLock() {
		return
	}
	defer c.doubting.Unlock()
	done, err := c.Client.Txn(ctx).Then(
		clientv3.OpGet(electionPrefix+"/", clientv3.WithFirstCreate()...),
		clientv3.OpGet(requestsPrefix, clientv3.WithFirstCreate()...),
		clientv3.OpGet(indexKey), clientv3.OpGet(refusedKey)).Commit()
	if err != nil {
		return // etcd itself has no leader: the sequencer cannot write either
	}
	holder, oldest := done.Responses[0].GetResponseRange().Kvs, done.Responses[1].GetResponseRange().Kvs
	if len(holder) == 0 || len(oldest) == 0 {
		return
	}
	select {
	case <-time.After(doubtFor + taking(3*len(oldest[0].Value))):
	case <-ctx.Done():
		return
	}
	unmoved := []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(string(holder[0].Key)), "=", holder[0].CreateRevision),
		clientv3.Compare(clientv3.ModRevision(string(oldest[0].Key)), "=", oldest[0].ModRevision),
	}
	for i, key := range []string{indexKey, refusedKey} {
		revision := int64(0)
		if there := done.Responses[2+i].GetResponseRange().Kvs; len(there) > 0 {
			revision = there[0].ModRevision
		}
		unmoved = append(unmoved, clientv3.Compare(clientv3.ModRevision(key), "=", revision))
	}
	// If this does not get through, the next doubt will.
	_, _ = c.Client.Txn(ctx).If(unmoved...).Then(clientv3.OpDelete(string(holder[0].Key))).Commit()
}
