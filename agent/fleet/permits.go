package fleet

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Permits fails where etcd would not take from this host what it writes about a
// certificate that it follows, or orders: because of the roles of its user, or since
// etcd takes nothing more. Nothing is written.
func (f *Fleet) Permits(ctx context.Context, certificate string, orders bool) error {
	keys := []string{rolloutsAt + certificate}
	if orders {
		keys = append(keys, bundlesAt+certificate, "orders/"+certificate+"/order")
	}
	for _, key := range keys {
		if err := f.permits(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// permits tries a transaction that never comes about. Etcd looks before at roles, and at
// the room that it has.
func (f *Fleet) permits(ctx context.Context, key string) error {
	client, err := f.Client()
	if err != nil {
		return err
	}
	bound, cancel := call(ctx)
	defer cancel()
	whole := f.Key(key)
	_, err = client.Txn(bound).
		If(clientv3.Compare(clientv3.Version(whole), "=", 0), clientv3.Compare(clientv3.Version(whole), ">", 0)).
		Then(clientv3.OpPut(whole, "")).Commit()
	if err != nil {
		return f.failed(client, "write "+key+" in etcd", err)
	}
	return nil
}
