package issue

import (
	"os"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

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
