package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

const product = "digicert-free-1-free"

// newWorldOfPackages is a world whose certificate is ordered from a package.
func newWorldOfPackages(t *testing.T, options sandbox.Options) *world {
	t.Helper()
	if options.Packages == nil {
		options.Packages = []sandbox.Package{{ProductCode: product, Total: 20}}
	}
	w := newWorldOfToday(t, options)
	w.domains = `["example.com"]`
	w.extra = "package = \"" + product + "\"\n"
	return w
}

// taken is how many orders the package has taken.
func (w *world) taken() int { return w.sandbox.Packages()[0].Used }

// orderOf is one of the orders from packages, by its number.
func (w *world) orderOf(i int) sandbox.PackageOrder {
	w.Helper()
	orders := w.sandbox.PackageOrders()
	if i >= len(orders) {
		w.Fatalf("there are %d orders", len(orders))
	}
	return orders[i]
}

func TestAnOrderFromAPackageIsForAKeyThatWasMadeHere(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{})
	for n := 1; n <= 2; n++ { // the first, and a renewal
		w.calls()
		w.renewed(Renewal{Force: n > 1})
		key, err := os.ReadFile(w.where().Certificate("example.com") + "/current/" + bundle.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		id, err := bundle.KeyID(key)
		if placed := w.orderOf(n - 1); err != nil || placed.KeyHash != id || w.taken() != n {
			t.Errorf("order %d is for key %s, not %s (%v); %d taken", n, placed.KeyHash, id, err, w.taken())
		}
		calls := w.calls()
		beside := 1 // one look at the order is no poll
		for action, times := range calls {
			if action != "DescribeCertificateState" {
				beside += times
			}
		}
		if beside > 9 {
			t.Errorf("order %d costs %d calls beside polls: %v", n, beside, calls)
		}
	}
	if left := w.pendingKeys(); len(left) > 0 || w.records() != "" || w.usedInstances() > 0 {
		t.Errorf("left: keys %v, records %q; %d instances used", left, w.records(), w.usedInstances())
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || len(w.calls()) > 0 {
		t.Errorf("with nothing due: %+v", o)
	}
}

func TestAnOrderFromAPackageProvesOneNameAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Zones: []string{"example.com", "example.org"}})
	w.domains = `["example.com", "www.example.org"]`
	w.renewed(Renewal{})
	if w.taken() != 1 || w.records() != "" || len(w.sandbox.Records("example.org")) > 0 {
		t.Errorf("%d taken; left: %q, %v", w.taken(), w.records(), w.sandbox.Records("example.org"))
	}
}

// Whatever the cloud does for a while, one order is placed.
func TestAnOrderFromAPackageOutlivesFaultsThatPass(t *testing.T) {
	const create = "CreateCertificateForPackageRequest"
	for _, tt := range []struct{ name, fault string }{
		{"the order is placed and its answer lost", "lose-answer:" + create + ":1"}, // fault 110
		{"the order is placed and called a failure", "error-500-applied:" + create + ":1"},
		{"the order is placed and half an answer comes", "truncate:" + create + ":1"},
		{"the order is placed and no number comes", "empty-object:" + create + ":1"},
		{"the account calls too often", "throttle:" + create + ":2"},
		{"the nonce was used", "nonce-used-applied:" + create + ":1"},
		{"the rows spell the product otherwise", "other-product:ListUserCertificateOrder"},
		{"the list fails once", "error-503:ListUserCertificateOrder:1"},
		{"the look at the order fails", "error-500:DescribeCertificateState:2"},
		{"the proof is a CNAME", "proof-cname:" + create + ":1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfPackages(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, tt.fault)}})
			w.renewed(Renewal{Timeout: time.Minute})
			if w.taken() != 1 || w.records() != "" {
				t.Errorf("%d taken, records %q", w.taken(), w.records())
			}
		})
	}
}

// fault 110
func TestAnOrderThatNeverArrivedIsPlacedAgainOnlyAfterAWhile(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "drop-request:CreateCertificateForPackageRequest:1")}})
	w.renewUntil("the request that is lost", func() bool { return w.called("CreateCertificateForPackageRequest") })
	if o := w.renew(Renewal{NoWait: true}); o.Class != state.Pending || w.taken() != 0 {
		t.Fatalf("%+v; %d taken", o, w.taken())
	}
	w.dateBack(6 * time.Minute)
	w.renewed(Renewal{})
	if w.taken() != 1 {
		t.Errorf("%d taken", w.taken())
	}
}

// fault 110: what cannot be told is asked of a person, who has two ways out.
func TestAnOrderThatCannotBeToldIsAskedAbout(t *testing.T) {
	const lost = "lose-answer:CreateCertificateForPackageRequest:1"
	for _, tt := range []struct {
		name   string
		faults []string
		others int // orders that somebody else places for the same names meanwhile
		wants  func(w *world) []string
	}{
		{"the quota is used up, and no row is there", []string{"spend-without-order:CreateCertificateForPackageRequest:1"}, 0,
			func(*world) []string { return []string{"--adopt ORDERID", "dvagent abandon"} }},
		{"two orders are new", []string{lost}, 1,
			func(w *world) []string {
				return []string{fmt.Sprint(w.orderOf(0).OrderID), fmt.Sprint(w.orderOf(1).OrderID), "--adopt"}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfPackages(t, sandbox.Options{IssueAfter: 2 * time.Second})
			w.faults(tt.faults...)
			w.onceSubmitted(func() {
				for range tt.others {
					if _, err := w.sandbox.OrderPackage(product, "example.com"); err != nil {
						t.Error(err)
					}
				}
			})
			w.renew(Renewal{NoWait: true})
			w.observe = nil
			w.dateBack(6 * time.Minute)
			taken := w.taken()
			for _, r := range []Renewal{{}, {}, {Force: true}} {
				o := w.renew(r)
				if said := o.Err.Error() + " " + o.Hint(); o.Class != state.Failure || !containsAll(said, tt.wants(w)) {
					t.Errorf("%+v: %s", o, said)
				}
			}
			if w.taken() != taken {
				t.Errorf("%d taken, after %d", w.taken(), taken)
			}
			if tt.others > 0 {
				w.renewed(Renewal{Adopt: fmt.Sprint(w.orderOf(0).OrderID), Names: []string{"example.com"}})
			} else {
				w.abandoned()
				w.renewed(Renewal{})
				taken++
			}
			if w.taken() != taken {
				t.Errorf("at the end: %d taken, after %d", w.taken(), taken)
			}
		})
	}
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// onceSubmitted does something right after the call that places an order.
func (w *world) onceSubmitted(do func()) {
	w.observe = func(e state.Event) {
		if call, ok := e.(state.Call); ok && call.Operation == "CreateCertificateForPackageRequest" {
			do()
		}
	}
}

func (w *world) abandoned() {
	w.Helper()
	if o, err := w.agent().Abandon(w.Context(), "example.com", tester); err != nil || o.Class != state.Served {
		w.Fatalf("%+v, %v", o, err)
	}
}

// fault 111
func TestAnEmptyPackageIsSaidAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Packages: []sandbox.Package{{ProductCode: product, Total: 0}}})
	o := w.renew(Renewal{})
	if o.Class != state.NoInstance || !strings.Contains(o.Hint(), "no longer sold") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
	w.extra = "" // as the hint says
	w.renewed(Renewal{})
	if w.taken() != 0 || w.usedInstances() != 1 {
		t.Errorf("%d taken, %d instances used", w.taken(), w.usedInstances())
	}
}

func TestAnOrderThatTheCARefusedIsNotPlacedAgainUnlessAPersonSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "check-fail:CreateCertificateForPackageRequest:1")}})
	for range 3 {
		if o := w.renew(Renewal{}); o.Class != state.Failure || !strings.Contains(o.Hint(), "--force") || w.taken() != 1 {
			t.Fatalf("%+v, hint %q; %d taken", o, o.Hint(), w.taken())
		}
	}
	if w.records() != "" {
		t.Errorf("records: %q", w.records())
	}
	w.renewed(Renewal{Force: true})
	if w.taken() != 2 {
		t.Errorf("%d taken", w.taken())
	}
}

func TestNothingIsOrderedBesideARunningOrderForTheSameNames(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{IssueAfter: time.Hour})
	id, err := w.sandbox.OrderPackage(product, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Renewal{{}, {Force: true}} {
		o := w.renew(r)
		if o.Class != state.Failure || !strings.Contains(o.Hint(), fmt.Sprintf("--adopt %d", id)) || w.taken() != 1 {
			t.Errorf("%+v, hint %q; %d taken", o, o.Hint(), w.taken())
		}
	}
}

func TestAnAdoptedOrderIsServedOnlyWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{})
	id, err := w.sandbox.OrderPackage(product, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	adopt := Renewal{Adopt: fmt.Sprint(id), Names: []string{"example.com"}}
	if o := w.renew(adopt); o.Class != state.Failure || !strings.Contains(o.Err.Error(), "private key") {
		t.Errorf("%+v", o)
	}
	w.abandoned()
	w.renewed(Renewal{})
	if w.taken() != 2 {
		t.Errorf("%d taken", w.taken())
	}
}

// fault 138: what was given up is left alone, until an operator names it.
func TestAnOrderThatWasGivenUpCanBeAdoptedWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{IssueAfter: 10 * time.Second}) // after it was given up
	w.renew(Renewal{NoWait: true})
	w.abandoned()
	if o := w.renew(Renewal{}); o.Class != state.Failure || !strings.Contains(o.Hint(), "--adopt") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
	w.renewed(Renewal{Adopt: fmt.Sprint(w.orderOf(0).OrderID), Names: []string{"example.com"}})
	if left := w.pendingKeys(); w.taken() != 1 || w.records() != "" || len(left) > 0 {
		t.Errorf("%d taken; left: %q, keys %v", w.taken(), w.records(), left)
	}
}

func TestOnlyAnOrderThatIsThereIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{})
	_, err := w.agent().Renew(t.Context(), Renewal{Adopt: "123", Names: []string{"example.com"}, Timeout: time.Second, Caller: tester})
	if err == nil || !strings.Contains(err.Error(), "adopt order 123") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(w.where().OrderJournal("example.com")); err == nil {
		t.Error("an order was opened")
	}
}
