package fleet

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/order"
)

// ledger is the ledger of instances of all accounts, for one pass: each instance under a
// key of its own, each write a transaction on what was read.
type ledger struct {
	orders *Orders

	mu       sync.Mutex
	modified map[order.Instance]int64 // the revision of a key; 0: there is none
}

// Ledger is for issue.Fleet.
func (o *Orders) Ledger() order.Common { return &ledger{orders: o} }

// Author is for order.Common.
func (l *ledger) Author() string {
	if l.orders.Version == "" {
		return l.orders.host()
	}
	return l.orders.host() + " (" + l.orders.Version + ")"
}

func (o *Orders) instancesPrefix() string { return o.fleet.Key("instances", "") }

func (o *Orders) instanceKey(i order.Instance) string {
	return o.instancesPrefix() + url.PathEscape(i.Account) + "/" + url.PathEscape(i.ID)
}

// instanceOf is the instance of a key. One that no instance has is taken for one of the
// account in it, of which then nothing can be read.
func (o *Orders) instanceOf(key string) (i order.Instance, err error) {
	account, id, _ := strings.Cut(strings.TrimPrefix(key, o.instancesPrefix()), "/")
	if i.Account, err = url.PathUnescape(account); err != nil {
		return i, fmt.Errorf("key %q is none of an instance", key)
	}
	if i.ID, err = url.PathUnescape(id); err != nil || o.instanceKey(i) != key {
		i.ID = id
	}
	return i, nil
}

// Read is for order.Common.
func (l *ledger) Read() (map[order.Instance][]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*l.orders.timing.Call)
	defer cancel()
	client, err := l.orders.fleet.Client()
	if err != nil {
		return nil, l.orders.silent(client, "read or write the ledger of instances", err)
	}
	resp, err := client.Get(ctx, l.orders.instancesPrefix(), clientv3.WithPrefix())
	if err != nil {
		return nil, l.orders.silent(client, "read or write the ledger of instances", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.modified = map[order.Instance]int64{}
	all := map[order.Instance][]byte{}
	for _, kv := range resp.Kvs {
		i, err := l.orders.instanceOf(string(kv.Key))
		if err != nil {
			return nil, fmt.Errorf("read the ledger of the fleet: %w", err)
		}
		all[i], l.modified[i] = kv.Value, kv.ModRevision
	}
	return all, nil
}

// Write is for order.Common.
func (l *ledger) Write(i order.Instance, value []byte) (written bool, meanwhile []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), l.orders.timing.Call)
	defer cancel()
	client, err := l.orders.fleet.Client()
	if err != nil {
		return false, nil, l.orders.silent(client, "read or write the ledger of instances", err)
	}
	key := l.orders.instanceKey(i)
	resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", l.modified[i])).
		Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return false, nil, l.orders.silent(client, "read or write the ledger of instances", err)
	case resp.Succeeded:
		l.modified[i] = resp.Header.Revision
		return true, nil, nil
	}
	found := resp.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		l.modified[i] = 0
		return false, nil, nil
	}
	l.modified[i] = found[0].ModRevision
	return false, found[0].Value, nil
}
