package fleet

import (
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func TestWhetherEtcdWouldTakeWhatAHostWritesIsAskedWithoutWriting(t *testing.T) {
	t.Parallel()
	cluster := fleettest.Small(t)
	admin := open(t, cluster.Settings(newIdentity(t)))
	permits := func(f *Fleet, orders bool, advice string) {
		t.Helper()
		if err := f.Permits(t.Context(), "www", orders); hint.Of(err) != advice {
			t.Errorf("orders %v: %v (hint: %s)", orders, err, hint.Of(err))
		}
	}
	permits(admin, true, "")
	cluster.Fill()
	permits(admin, true, full.hint())
	permits(admin, false, full.hint())
	cluster.Empty()

	client, err := admin.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, e1 := client.RoleAdd(t.Context(), "follower")
	prefix := admin.Key("rollouts/")
	_, e2 := client.RoleGrantPermission(t.Context(), "follower", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
	limited(t, client)
	settings := cluster.Settings(newIdentity(t))
	settings.Username, settings.Password = "host", secret.Secret{File: fleettest.Identity(t, "right")}
	host := open(t, settings)
	permits(host, false, refused.hint())
	settings.Username, settings.Password = "root", secret.Secret{File: fleettest.Identity(t, "root")}
	root := open(t, settings)
	asRoot, err := root.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, e3 := asRoot.UserGrantRole(t.Context(), "host", "follower")
	if err := errors.Join(e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	permits(host, false, "")
	permits(host, true, refused.hint())
	if all, _, err := root.ReadAll(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("it wrote %v: %v", all, err)
	}
}
