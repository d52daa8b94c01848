package fleet

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func TestEachMemberIsToldOfWithWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	silent, strange := fleettest.Secured(t), fleettest.Secured(t)
	silent.Members[0].Stop()
	settings := silent.Settings(newIdentity(t))
	settings.Etcd = append(settings.Etcd, strange.URLs()...)
	_, err := open(t, settings).Read(t.Context(), "bundles/www")
	silent.Members[0].Continue()
	var failed *Error
	if !errors.As(err, &failed) || !failed.Transient() {
		t.Fatalf("one member is silent, and may come back: %v", err)
	}
	for cluster, says := range map[*fleettest.Cluster]string{silent: "it does not answer", strange: "certificate signed by unknown authority"} {
		address, _ := url.Parse(cluster.URLs()[0])
		_, rest, told := strings.Cut(err.Error(), address.Host+": ")
		if said, _, _ := strings.Cut(rest, "; "); !told || !strings.Contains(said, says) {
			t.Errorf("of %s, which should be %q: %v", address.Host, says, err)
		}
	}
	for _, advice := range []string{"see whether etcd runs", "see ca_file"} {
		if !strings.Contains(hint.Of(err), advice) {
			t.Errorf("the hint lacks %q: %s", advice, hint.Of(err))
		}
	}
}

// What a member failed for is over when it answers.
func TestAMemberThatAnswersIsNotBlamed(t *testing.T) {
	t.Parallel()
	cluster := fleettest.One(t)
	f := open(t, cluster.Settings(newIdentity(t)))
	cluster.Members[0].Kill()
	if _, err := f.Read(t.Context(), "bundles/www"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("while it is away: %v", err)
	}
	cluster.Members[0].Restart()
	cluster.Members[0].Await()
	if _, err := readWithin(t.Context(), f, 10); err != nil {
		t.Fatal(err)
	}
	cluster.Members[0].Stop()
	var err error
	hangs := eventually(func() bool { // once it has really stopped
		_, err = f.Read(t.Context(), "bundles/www")
		return err != nil
	})
	cluster.Members[0].Continue()
	if !hangs || strings.Contains(err.Error(), "refused") {
		t.Errorf("while it hangs: %v", err)
	}
}

func TestARefusalEndsTheConnectionThatWasRefusedAndNoOther(t *testing.T) {
	t.Parallel()
	cluster := fleettest.One(t)
	admin := open(t, cluster.Settings(newIdentity(t)))
	client, err := admin.Client()
	if err != nil {
		t.Fatal(err)
	}
	limited(t, client)
	settings := cluster.Settings(newIdentity(t))
	settings.Username, settings.Password = "host", secret.Secret{File: fleettest.Identity(t, "wrong")}
	f := open(t, settings)
	if _, err := f.Read(t.Context(), "bundles/www"); !isRefused(err) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := os.WriteFile(settings.Password.File, []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(t.Context(), "bundles/www"); err != nil {
		t.Errorf("with a password that was put right: %v", err)
	}
	now, _ := f.Client()
	if err := f.Write(t.Context(), Entry{Key: "orders/www"}.Put([]byte("x"))); !isRefused(err) {
		t.Errorf("what the role does not allow: %v", err)
	}
	if same, _ := f.Client(); same != now {
		t.Error("the connection was ended for what its role does not allow")
	}
	f.failed(new(clientv3.Client), "try", rpctypes.ErrAuthFailed)
	if same, _ := f.Client(); same != now {
		t.Error("the connection was ended for another one that was refused before")
	}
	f.failed(now, "try", rpctypes.ErrAuthFailed)
	if same, _ := f.Client(); same == now {
		t.Error("the connection that was refused is still used")
	}
}

func isRefused(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Rejected()
}

// limited makes etcd ask for passwords, and a user who may read all.
func limited(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	_, e1 := client.UserAdd(ctx, "root", "root")
	_, e2 := client.UserGrantRole(ctx, "root", "root")
	_, e3 := client.RoleAdd(ctx, "reader")
	_, e4 := client.RoleGrantPermission(ctx, "reader", "/", "0", clientv3.PermissionType(clientv3.PermRead))
	_, e5 := client.UserAdd(ctx, "host", "right")
	_, e6 := client.UserGrantRole(ctx, "host", "reader")
	_, e7 := client.AuthEnable(ctx)
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7); err != nil {
		t.Fatal(err)
	}
}
