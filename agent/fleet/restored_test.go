package fleet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
)

// fault 119: an old backup of etcd was put back. What a host knows of a claim and of a
// submission is told to the others, whatever stands in etcd by then.
func TestTheLedgerOutlivesAnOldBackupOfEtcd(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	x := order.Instance{Account: "main", ID: "cas-x"}
	note := func(t *testing.T, l *order.Instances, use order.InstanceUse, certificate string) {
		t.Helper()
		if err := l.Note(use, x, certificate); err != nil {
			t.Fatal(err)
		}
	}
	used := func(t *testing.T, l *order.Instances) {
		t.Helper()
		for range 40 {
			claim(t, l, "old", x)
			note(t, l, order.InstanceReleased, "old")
		}
	}
	for _, tt := range []struct {
		name      string
		before    func(*testing.T, *order.Instances) // that the backup has
		meanwhile func(*testing.T, *order.Instances) // by a host that knows nothing, after the backup was put back
		holder    string
		submitted bool // something of www that may still bring a certificate
	}{
		{"nothing stands there", nil, nil, "www", true},
		{"less stands there", func(t *testing.T, l *order.Instances) {
			claim(t, l, "old", x)
			note(t, l, order.InstanceReleased, "old")
		}, nil, "www", true},
		{"more stands there than is worth keeping here", used, nil, "www", true},
		{"another host has claimed it for another certificate", used, func(t *testing.T, l *order.Instances) { claim(t, l, "shop", x) }, "shop", true},
		{"another host has ordered on it", used, func(t *testing.T, l *order.Instances) {
			claim(t, l, "www", x)
			if err := l.Submit(x, "www", nil); err != nil {
				t.Fatal(err)
			}
			note(t, l, order.InstanceKept, "www")
		}, "www", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newTestOrders(t, etcd, "a")
			dir := t.TempDir()
			l := openLedger(t, dir)
			join(t, l, a)
			if tt.before != nil {
				tt.before(t, l)
			}
			backup := a.stands(t, x)
			l = openLedger(t, dir)
			if err := l.Compact(time.Now().AddDate(0, 0, 3)); err != nil {
				t.Fatal(err)
			}
			join(t, l, a)
			claim(t, l, "www", x)
			if err := l.Submit(x, "www", nil); err != nil {
				t.Fatal(err)
			}
			a.putBack(t, x, backup)
			if tt.meanwhile != nil {
				other := openLedger(t, t.TempDir())
				join(t, other, newTestOrders(t, etcd, "b"))
				tt.meanwhile(t, other)
			}
			l = openLedger(t, dir)
			join(t, l, a)
			third := openLedger(t, t.TempDir())
			join(t, third, newTestOrders(t, etcd, "c"))
			for name, l := range map[string]*order.Instances{"the host that ordered": l, "its disk": openLedger(t, dir), "a third host": third} {
				c, submitted := l.ClaimOf("main", "www")
				if l.Holder(x) != tt.holder || c.Instance != x.ID || submitted != tt.submitted {
					t.Errorf("%s: held by %q; the claim of www is %+v, submitted %v", name, l.Holder(x), c, submitted)
				}
			}
			a.putBack(t, x, nil)
		})
	}
}

// stands is what stands in etcd of an instance; nil: nothing.
func (o *Orders) stands(t *testing.T, i order.Instance) []byte {
	t.Helper()
	entry, err := o.fleet.Read(t.Context(), o.instanceKey(i)[len(o.fleet.settings.Prefix):])
	if err != nil {
		t.Fatal(err)
	}
	return entry.Value
}

// putBack puts something into its place.
func (o *Orders) putBack(t *testing.T, i order.Instance, value []byte) {
	t.Helper()
	client, err := o.fleet.Client()
	if err == nil && value == nil {
		_, err = client.Delete(t.Context(), o.instanceKey(i))
	} else if err == nil {
		_, err = client.Put(t.Context(), o.instanceKey(i), string(value))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// However many instances a host learns of, its ledger is written once.
func TestALedgerIsWrittenOnceForAllThatIsLearned(t *testing.T) {
	t.Parallel()
	const instances = 20
	etcd := fleettest.One(t)
	first := openLedger(t, t.TempDir())
	join(t, first, newTestOrders(t, etcd, "a"))
	for n := range instances {
		claim(t, first, fmt.Sprint("www", n), order.Instance{Account: "main", ID: fmt.Sprint("cas-", n)})
	}
	dir := t.TempDir()
	renames := countRenames(t, dir)
	second := openLedger(t, dir)
	join(t, second, newTestOrders(t, etcd, "b"))
	if n := renames(); n != 1 {
		t.Errorf("it was written %d times", n)
	}
	if holder := openLedger(t, dir).Holder(order.Instance{Account: "main", ID: "cas-19"}); holder != "www19" {
		t.Errorf("held by %q", holder)
	}
	join(t, openLedger(t, dir), newTestOrders(t, etcd, "b"))
	if n := renames(); n != 0 {
		t.Errorf("it was written %d times, and nothing was learned", n)
	}
}

// countRenames counts the files that got their name in a directory since it was asked last.
func countRenames(t *testing.T, dir string) func() int {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	if _, err := unix.InotifyAddWatch(watch, dir, unix.IN_MOVED_FROM|unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		buffer := make([]byte, 64<<10)
		size, err := unix.Read(watch, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+unix.SizeofInotifyEvent <= size; { // two for each: events that are alike would become one
			if binary.NativeEndian.Uint32(buffer[at+4:])&unix.IN_MOVED_TO != 0 {
				n++
			}
			at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buffer[at+12:]))
		}
		return n
	}
}
