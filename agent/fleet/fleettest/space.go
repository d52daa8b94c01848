package fleettest

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// filler is what a Small cluster is filled with.
const filler = "/filler"

// Fill writes until the cluster, which is a Small one, takes nothing more.
func (c *Cluster) Fill() {
	c.t.Helper()
	c.asClient(func(ctx context.Context, client *clientv3.Client) error {
		for range 1000 {
			_, err := client.Put(ctx, filler, strings.Repeat("x", 100<<10))
			if errors.Is(err, rpctypes.ErrNoSpace) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return errors.New("it is never full")
	})
}

// Empty does what an operator does about it: the cluster forgets its history, and takes
// something again.
func (c *Cluster) Empty() {
	c.t.Helper()
	c.asClient(func(ctx context.Context, client *clientv3.Client) error {
		deleted, err := client.Delete(ctx, filler)
		if err != nil {
			return err
		}
		if _, err := client.Compact(ctx, deleted.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
			return err
		}
		for _, m := range c.Members {
			if _, err := client.Defragment(ctx, m.URL); err != nil {
				return err
			}
		}
		_, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
		return err
	})
}

func (c *Cluster) asClient(do func(context.Context, *clientv3.Client) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{Endpoints: c.URLs(), Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
	if err == nil {
		err = errors.Join(do(ctx, client), client.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
