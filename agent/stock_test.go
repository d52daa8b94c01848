package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/sandbox"
	"dvagent/internal/words"
)

// left is what is known to be left of the package, or -1.
func left(l *order.Left) int {
	if l == nil {
		return -1
	}
	return l.Certificates
}

func TestWhatIsLeftOfAPackageIsSeenAndTold(t *testing.T) {
	w := newWorldOfPackages(t, sandbox.Options{Packages: []sandbox.Package{{ProductCode: product, Total: 2}}})
	r := newReceiver(w, "[limits]\nforecast = \"365d\"")
	if c, p := w.status().Certificates[0], w.planned(); c.Package != product || left(c.Left) != -1 || len(p.Warnings) > 0 ||
		p.Next != "order: "+state.ReasonMissing+", from package "+product {
		t.Errorf("before the first order the status is %+v, the plan %+v", c, p)
	}
	w.all()
	w.calls()
	c, p := w.status().Certificates[0], w.planned()
	if left(c.Left) != 1 || time.Since(c.Left.At) > time.Minute || len(c.Warnings) > 0 || c.Instance != "" {
		t.Errorf("the status is %+v", c)
	}
	if len(p.Warnings) > 0 || !strings.HasSuffix(p.Next, ", then from package "+product) || p.Package != product || p.Instance != "" {
		t.Errorf("the plan is %+v", p)
	}
	packages := w.glance(w.service()).Packages
	if len(packages) != 1 || left(packages[0].Left) != 1 || packages[0].Coming != 1 {
		t.Errorf("the glance shows %+v", packages)
	}
	r.was(w)

	w.extra += fmt.Sprintf("\n[[certificate]]\nname = \"other\"\ndomains = [\"other.example.com\"]\npackage = %q\n", product)
	w.all()
	w.calls()
	r.was(w, "no_instance package "+product+" of account main")
	until, today := state.Now().AddDate(0, 0, 365), time.Now().Format(time.DateOnly)
	// While the other order still runs, it has its certificate, and one renewal comes;
	// once it has ended, two do. It is told as soon as it is noticed.
	told := func(renewals int) string {
		return fmt.Sprintf("had 0 certificates left on %s for %s before %s; to do: %s", today, words.Count(renewals, "renewal"), until.Format(time.DateOnly), state.PackageHint)
	}
	if text := r.texts[0]; text != told(1) && text != told(2) {
		t.Errorf("told %q, not %q", text, told(1))
	}
	warning := "package " + product + " had no certificate left on "
	for _, c := range w.status().Certificates {
		if left(c.Left) != 0 || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], warning) ||
			!strings.HasSuffix(c.Next, ", then from package "+product+", which has none left") || c.State != view.OK {
			t.Errorf("the status is %+v", c)
		}
	}
	if p := w.planned(); len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], warning) {
		t.Errorf("the plan is %+v", p)
	}
	packages = w.glance(w.service()).Packages
	if len(packages) != 1 || left(packages[0].Left) != 0 || packages[0].Coming != 2 {
		t.Errorf("the glance shows %+v", packages)
	}
	w.all() // nothing is due, and nothing is told again
	r.was(w)
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}

	w.extra = strings.Replace(w.extra, "365d", "1d", 1) // the renewals come later than that
	w.all()
	r.was(w, "recovered package "+product+" of account main")
}

// Orders that run side by side do not both see the same stock.
func TestOrdersFromOnePackageQueueUp(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Packages: []sandbox.Package{{ProductCode: product, Total: 9}}})
	const others = 5
	for i := range others {
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = \"www%d\"\ndomains = [\"www%d.example.com\"]\npackage = %q\n", i, i, product)
	}
	w.all()
	if c := w.status().Certificates[0]; left(c.Left) != 9-1-others {
		t.Errorf("%d are left", left(c.Left))
	}
}

func TestAPackageThatTheServerCallsEmptyHasNothingLeft(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{Packages: []sandbox.Package{{ProductCode: product, Total: 0}}})
	w.renew(Renewal{})
	if c := w.status().Certificates[0]; left(c.Left) != 0 || c.State != view.NoInstance {
		t.Errorf("the status is %+v", c)
	}
}

func TestAnOpenOrderFromAPackageShowsItsNumber(t *testing.T) {
	t.Parallel()
	w := newWorldOfPackages(t, sandbox.Options{IssueAfter: time.Hour})
	w.renew(Renewal{NoWait: true})
	status, err := view.ReadStatus(t.Context(), w.agent().host, state.Now(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	c := status.Certificates[0]
	number := fmt.Sprint(w.orderOf(0).OrderID)
	if o := c.Order; o == nil || o.ServerOrder != number || o.Package != product || o.Instance != "" || c.Instance != "" {
		t.Errorf("the order is %+v, the instance %q", o, c.Instance)
	}
	var told []string
	for _, e := range c.Order.History {
		told = append(told, e.Text)
	}
	if text := strings.Join(told, "\n"); !containsAll(text, []string{"chose package " + product, "submitted as order " + number}) {
		t.Errorf("the history is\n%s", text)
	}
	if p := w.planned(); p.Package != product || p.Instance != "" {
		t.Errorf("the plan is %+v", p)
	}
}
