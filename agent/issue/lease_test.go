package issue

import (
	"os"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// heldLease knows of an order, and is asked nothing else.
type heldLease struct {
	Lease
	known Known
}

func (l heldLease) Known() Known { return l.known }

// The claim of an order ends with it, also where the host that tells of the end has a clock
// that is behind that of the host which submitted it.
func TestTheClaimOfAnEndedOrderIsOverWhateverTheClocksSay(t *testing.T) {
	cfg := &config.Config{StateDir: t.TempDir(), Certificates: []config.Certificate{{Name: "www", Account: "main", Domains: []string{"example.com"}}}}
	host := state.NewHost(cfg, nil, nil)
	d, err := Open(host, state.Scope{}, Tools{Memory: NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := d.ledger.Claim("main", "www", order.Claim{Instance: "cas-1"}); !taken || err != nil {
		t.Fatal(err)
	}
	if err := d.ledger.Submit(order.Instance{Account: "main", ID: "cas-1"}, "www", nil); err != nil {
		t.Fatal(err)
	}
	behind := time.Now().Add(-time.Hour)
	known := Known{Host: "b", Facts: []order.Fact{
		{At: behind, Kind: order.Opened, Account: "main", Domains: []string{"example.com"}, Number: 1, Host: "a"},
		{At: behind, Kind: order.Claimed, Instance: "cas-1", API: "2020-04-07"},
		{At: behind, Kind: order.Ended, Outcome: order.Issued},
	}}
	s, err := host.Dir.Read(cfg.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ended(&s, heldLease{known: known}, known.order("www"), false); err != nil {
		t.Fatal(err)
	}
	if claim, submitted := d.ledger.ClaimOf("main", "www"); !claim.Kept || submitted {
		t.Errorf("the claim is %+v, submitted: %v", claim, submitted)
	}
}

// What became due right after a host had looked is not ordered without a lease.
func TestNoOrderOfAFleetBeginsOrGoesOnWithoutALease(t *testing.T) {
	cfg := &config.Config{StateDir: t.TempDir(), Certificates: []config.Certificate{{Name: "www", Account: "main", Domains: []string{"example.com"}}}}
	host := state.NewHost(cfg, nil, nil)
	if err := os.MkdirAll(host.Dir.Certificate("www"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, fleet := range []Fleet{nil, struct{ Fleet }{}} {
		d, err := Open(host, state.Scope{}, Tools{Memory: NewMemory(), Fleet: fleet})
		if err != nil {
			t.Fatal(err)
		}
		s, err := host.Dir.Read(cfg.Certificates[0])
		if err != nil {
			t.Fatal(err)
		}
		w := &work{desk: d, snapshot: s}
		if err := w.stands(t.Context()); state.Transient(err) != (fleet != nil) {
			t.Errorf("in a fleet: %v; a side effect: %v", fleet != nil, err)
		}
		_, err = d.begin(t.Context(), s, state.ReasonMissing, false)
		if state.Transient(err) != (fleet != nil) || fleet == nil && err != nil {
			t.Errorf("in a fleet: %v; a new order: %v", fleet != nil, err)
		}
		o, err := order.Load(host.Dir.Certificate("www"))
		if err != nil || (o == nil) != (fleet != nil) {
			t.Errorf("in a fleet: %v; the order is %v, %v", fleet != nil, o, err)
		}
		if o != nil {
			if err := d.end(o, order.Withdrawn, "tried"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
