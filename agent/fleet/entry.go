package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Entry is a key as it was read.
type Entry struct {
	Key      string // below the prefix
	Value    []byte // nil where it is not there
	Revision int64  // of its last change; 0 where it is not there
}

// Change is one part of a transaction: it happens if the entry still is as it was read.
type Change struct {
	entry  Entry
	value  []byte
	lease  clientv3.LeaseID
	remove bool
	stands bool
}

// Put replaces the value.
func (e Entry) Put(value []byte) Change { return Change{entry: e, value: value} }

// PutWhile is Put for as long as a lease lasts.
func (e Entry) PutWhile(value []byte, lease clientv3.LeaseID) Change {
	return Change{entry: e, value: value, lease: lease}
}

// Remove takes the key away.
func (e Entry) Remove() Change { return Change{entry: e, remove: true} }

// Stands changes nothing, and lets the other changes happen only while the entry is
// as it was read.
func (e Entry) Stands() Change { return Change{entry: e, stands: true} }

// ErrChanged says that an entry is not any more as it was read: nothing was written.
var ErrChanged = errors.New("another host has changed it meanwhile")

// Key is a key as etcd has it: below the prefix.
func (f *Fleet) Key(parts ...string) string { return f.settings.Prefix + strings.Join(parts, "/") }

// Read reads one key. A member that hangs is left for another one.
func (f *Fleet) Read(ctx context.Context, key string) (Entry, error) {
	response, err := f.get(ctx, "read "+key+" in etcd", f.Key(key))
	if err != nil || len(response.Kvs) == 0 {
		return Entry{Key: key}, err
	}
	return Entry{Key: key, Value: response.Kvs[0].Value, Revision: response.Kvs[0].ModRevision}, nil
}

// ReadAll reads all keys that begin with a text, such as "bundles/", in their order and by
// one request. at is etcd's revision then: what is changed later has a higher one.
func (f *Fleet) ReadAll(ctx context.Context, below string) (entries []Entry, at int64, err error) {
	response, err := f.get(ctx, "read "+below+" in etcd", f.Key(below), clientv3.WithPrefix())
	if err != nil {
		return nil, 0, err
	}
	for _, found := range response.Kvs {
		entries = append(entries, Entry{strings.TrimPrefix(string(found.Key), f.settings.Prefix), found.Value, found.ModRevision})
	}
	return entries, response.Header.Revision, nil
}

// Revision asks how far etcd has come, by which it shows that it answers. It is less than
// before where an old backup was put back.
func (f *Fleet) Revision(ctx context.Context) (int64, error) {
	response, err := f.get(ctx, "ask etcd how far it has come", f.Key("restored"), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return response.Header.Revision, nil
}

// get asks each member once, at most.
func (f *Fleet) get(ctx context.Context, what, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	for try := 1; ; try++ {
		client, err := f.Client()
		if err != nil {
			return nil, err
		}
		bound, cancel := call(ctx)
		before := position{}
		if f.come != nil {
			before = f.come()
		}
		response, err := client.Get(bound, key, options...)
		if err == nil && f.noticed != nil {
			f.noticed(bound, client, before, positionOf(response.Header))
		}
		cancel()
		if err == nil {
			return response, nil
		}
		failed := f.failed(client, what, err)
		if !failed.Transient() || ctx.Err() != nil || try >= len(f.settings.Etcd) {
			return nil, failed
		}
	}
}

// Write makes all changes, or none and fails with ErrChanged. After another error it is
// not known whether they were made: read again.
func (f *Fleet) Write(ctx context.Context, changes ...Change) error {
	client, err := f.Client()
	if err != nil {
		return err
	}
	var as []clientv3.Cmp
	var then []clientv3.Op
	for _, c := range changes {
		key := f.Key(c.entry.Key)
		as = append(as, clientv3.Compare(clientv3.ModRevision(key), "=", c.entry.Revision))
		switch {
		case c.stands:
		case c.remove:
			then = append(then, clientv3.OpDelete(key))
		default:
			then = append(then, clientv3.OpPut(key, string(c.value), clientv3.WithLease(c.lease)))
		}
	}
	bound, cancel := call(ctx)
	defer cancel()
	what := "write " + changes[0].entry.Key + " in etcd"
	response, err := client.Txn(bound).If(as...).Then(then...).Commit()
	if err != nil {
		return f.failed(client, what, err)
	}
	if !response.Succeeded {
		return fmt.Errorf("%s: %w", what, ErrChanged)
	}
	return nil
}
