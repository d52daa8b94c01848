package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/issue"
	"dvagent/internal/chance"
	"dvagent/internal/clock"
)

// lease is for issue.Lease. It stands while the key is there that it was created with:
// the key's revision and its session tell it from any that came later, also where old
// revisions come again with an old backup.
type lease struct {
	orders      *Orders
	client      *clientv3.Client
	certificate string
	session     clientv3.LeaseID
	created     int64 // the revision of the key

	known    issue.Known
	modified int64 // the revision of what is known; 0: nothing is
}

// Known is for issue.Lease.
func (l *lease) Known() issue.Known { return l.known }

func (l *lease) key() string { return l.orders.holderKey(l.certificate) }

// while has a transaction happen if the lease stands, and what else is wanted is so.
func (l *lease) while(others ...clientv3.Cmp) []clientv3.Cmp {
	return append(others, clientv3.Compare(clientv3.CreateRevision(l.key()), "=", l.created),
		clientv3.Compare(clientv3.LeaseValue(l.key()), "=", l.session))
}

// isAt says that the key is there that the lease was created with.
func (l *lease) isAt(found *clientv3.GetResponse) bool {
	return len(found.Kvs) > 0 && found.Kvs[0].CreateRevision == l.created && clientv3.LeaseID(found.Kvs[0].Lease) == l.session
}

// MayBegin is for issue.Lease: after an old backup was put back, the hosts first tell
// what they know.
func (l *lease) MayBegin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.orders.timing.Call)
	defer cancel()
	before := l.orders.history.come()
	resp, err := l.client.Get(ctx, l.orders.restoredKey())
	if err != nil {
		return l.orders.silent(l.client, "ask for the lease of an order", err)
	}
	if err := l.orders.saw(ctx, l.client, before, positionOf(resp.Header)); err != nil {
		return err
	}
	if len(resp.Kvs) > 0 {
		return &restoredError{l.orders.timing.Restore}
	}
	return nil
}

// Stands is for issue.Lease. It makes the lease last for its whole time again, and does
// not trust an answer that this process has slept over.
func (l *lease) Stands(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*l.orders.timing.Call)
	defer cancel()
	for range 3 {
		asked := clock.Now()
		if _, err := l.client.KeepAliveOnce(ctx, l.session); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return l.orders.silent(l.client, "ask for the lease of an order", err)
		}
		resp, err := l.client.Get(ctx, l.key())
		if err != nil {
			return l.orders.silent(l.client, "ask for the lease of an order", err)
		}
		if !l.isAt(resp) {
			return l.orders.elsewhere(resp)
		}
		if took := clock.Now().Sub(asked); took >= 0 && took < l.orders.timing.Lease/4 {
			return nil
		}
	}
	return l.orders.silent(l.client, "ask for the lease of an order", errors.New("each answer took too long"))
}

// again is after how long a host asks for a lease that another one has. Many do not ask at
// the same moment.
func (o *Orders) again() time.Duration {
	return o.timing.Lease/2 + chance.Below(o.timing.Lease/8)
}

// elsewhere says who has a lease now.
func (o *Orders) elsewhere(found *clientv3.GetResponse) error {
	var holder self // without a name it is some other host
	if len(found.Kvs) > 0 {
		holder = holderOf(found.Kvs[0].Value)
	}
	return &issue.ElsewhereError{Host: holder.Name, Again: o.again()}
}

// Write is for issue.Lease.
func (l *lease) Write(ctx context.Context, k issue.Known) error {
	ctx, cancel := context.WithTimeout(ctx, l.orders.timing.Call)
	defer cancel()
	value, err := l.orders.encode(l.certificate, k)
	if err != nil {
		return err
	}
	key := l.orders.orderKey(l.certificate)
	resp, err := l.client.Txn(ctx).If(l.while(clientv3.Compare(clientv3.ModRevision(key), "=", l.modified))...).
		Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(l.key())).Commit()
	if err != nil {
		return l.orders.silent(l.client, "write what is known of an order", err)
	}
	if resp.Succeeded {
		l.known, l.modified = k, resp.Header.Revision
		l.orders.history.advance(position{}, positionOf(resp.Header))
		return nil
	}
	holder := (*clientv3.GetResponse)(resp.Responses[0].GetResponseRange())
	if !l.isAt(holder) {
		return l.orders.elsewhere(holder)
	}
	return &changedError{l.certificate}
}

// Release is for issue.Lease.
func (l *lease) Release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.orders.timing.Call)
	defer cancel()
	_ = l.orders.drop(ctx, l.client, l.key(), l.created) // else it ends with the process
	l.orders.history.hold()
}

// changedError says that an earlier write turned out to have arrived, though its answer
// had not. What is known is read anew.
type changedError struct{ certificate string }

func (e *changedError) Error() string {
	return fmt.Sprintf("what the fleet knows of the order of %s is not what was read: it is read anew", e.certificate)
}

// Transient is for state.Transient.
func (e *changedError) Transient() bool { return true }
