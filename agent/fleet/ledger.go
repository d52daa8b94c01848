package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/order"
)

// ledger is the ledger of instances of all accounts, for one pass: an instance's entries
// under a key of its own, each write a transaction on what was read.
type ledger struct {
	orders *Orders

	mu       sync.Mutex
	lines    map[order.Instance][]json.RawMessage
	modified map[order.Instance]int64 // the revision of a key; 0: there is none
}

// Ledger is for issue.Fleet.
func (o *Orders) Ledger() order.Common { return &ledger{orders: o} }

func (o *Orders) instancesPrefix() string { return o.fleet.Key("instances", "") }

func (o *Orders) instanceKey(i order.Instance) string {
	return o.instancesPrefix() + url.PathEscape(i.Account) + "/" + url.PathEscape(i.ID)
}

// instanceOf is the instance of a key.
func (o *Orders) instanceOf(key string) (i order.Instance, err error) {
	account, id, _ := strings.Cut(strings.TrimPrefix(key, o.instancesPrefix()), "/")
	if i.Account, err = url.PathUnescape(account); err == nil {
		i.ID, err = url.PathUnescape(id)
	}
	if err == nil && o.instanceKey(i) != key {
		err = fmt.Errorf("key %q is none of an instance", key)
	}
	return i, err
}

// instanceEntries is what stands under the key of an instance.
type instanceEntries struct {
	Entries []json.RawMessage `json:"entries"`
}

// Read is for order.Common.
func (l *ledger) Read() (map[order.Instance][][]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*l.orders.timing.Call)
	defer cancel()
	client, err := l.orders.fleet.Client()
	if err != nil {
		return nil, l.orders.silent("read or write the ledger of instances", err)
	}
	resp, err := client.Get(ctx, l.orders.instancesPrefix(), clientv3.WithPrefix())
	if err != nil {
		return nil, l.orders.silent("read or write the ledger of instances", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines, l.modified = map[order.Instance][]json.RawMessage{}, map[order.Instance]int64{}
	all := map[order.Instance][][]byte{}
	for _, kv := range resp.Kvs {
		i, err := l.orders.instanceOf(string(kv.Key))
		if err == nil {
			all[i], err = l.note(i, kv.Value, kv.ModRevision)
		}
		if err != nil {
			return nil, fmt.Errorf("read the ledger of the fleet: %w", err)
		}
	}
	return all, nil
}

// note remembers what stands under the key of an instance.
func (l *ledger) note(i order.Instance, value []byte, modified int64) (lines [][]byte, err error) {
	var e instanceEntries
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, fmt.Errorf("the entries of instance %q: %w", i.ID, err)
	}
	l.lines[i], l.modified[i] = e.Entries, modified
	lines = [][]byte{}
	for _, line := range e.Entries {
		lines = append(lines, line)
	}
	return lines, nil
}

// mostEntries bounds what is kept of one instance; the oldest entries go.
const mostEntries = 500

// Append is for order.Common.
func (l *ledger) Append(i order.Instance, entry []byte) (meanwhile [][]byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), l.orders.timing.Call)
	defer cancel()
	client, err := l.orders.fleet.Client()
	if err != nil {
		return nil, l.orders.silent("read or write the ledger of instances", err)
	}
	lines := append(l.lines[i][:len(l.lines[i]):len(l.lines[i])], entry)
	lines = lines[max(len(lines)-mostEntries, 0):]
	value, err := json.Marshal(instanceEntries{lines})
	if err != nil {
		return nil, err
	}
	key := l.orders.instanceKey(i)
	resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", l.modified[i])).
		Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return nil, l.orders.silent("read or write the ledger of instances", err)
	case resp.Succeeded:
		l.lines[i], l.modified[i] = lines, resp.Header.Revision
		return nil, nil
	}
	found := resp.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		return l.note(i, []byte(`{}`), 0)
	}
	return l.note(i, found[0].Value, found[0].ModRevision)
}
