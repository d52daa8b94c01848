package agent

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/sandbox"
)

// claimedInstance is the one on which somebody applied.
func (w *world) claimedInstance() sandbox.Subscription {
	w.Helper()
	for _, s := range w.sandbox.Subscriptions() {
		if s.Applications > 0 {
			return s
		}
	}
	w.Fatal("nobody has applied on an instance")
	return sandbox.Subscription{}
}

// planned is what would be done for the first certificate.
func (w *world) planned() view.Planned {
	w.Helper()
	return view.ReadPlan(w.Context(), w.agent().host, state.Now()).Certificates[0]
}

// all renews what is due of every certificate.
func (w *world) all() {
	w.Helper()
	outcomes, err := w.agent().Renew(w.Context(), Renewal{Timeout: 2 * time.Minute, Caller: tester})
	if err != nil || state.Worst(outcomes) != state.Served {
		w.Fatalf("%+v, %v", outcomes, err)
	}
}

// fault 109: a leaf of a subscription of 20 days lives no longer, and its renewal gains
// nothing there.
func TestASubscriptionThatEndsTooSoonIsSeenUntilItIsExtended(t *testing.T) {
	w := newWorldOfToday(t, sandbox.Options{Instances: 1, Term: 20 * 24 * time.Hour})
	r := newReceiver(w, "")
	w.all()
	instance := w.claimedInstance()
	end, short := instance.OrderEnd.Truncate(time.Millisecond).UTC(), "the subscription of "+instance.InstanceID+" ends on "+instance.OrderEnd.UTC().Format(time.DateOnly)+", too soon for the renewal of example.com on "
	w.calls()
	c, p := w.status().Certificates[0], w.planned()
	if c.Instance != instance.InstanceID || !c.SubscriptionEnds.Equal(end) || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], short) {
		t.Errorf("the status is %+v", c)
	}
	if !strings.HasSuffix(c.Next, ", then of another instance: this one is a subscription until "+end.Format(time.DateOnly)) || c.State != view.OK {
		t.Errorf("it is %s, next %q", c.State, c.Next)
	}
	if p.Instance != "" || len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], short) || !strings.HasSuffix(p.Next, ", then of another instance") {
		t.Errorf("the plan is %+v", p)
	}
	if g := w.glance(w.service()); g.Coming["main"].Coming() != 1 || !g.Certificates[0].SubscriptionEnds.Equal(end) || g.Certificates[0].Next != c.Next {
		t.Errorf("the glance shows %+v", g)
	}
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	r.was(w, "no_instance account main", "subscription_ends example.com")
	if text := r.texts[1]; !strings.HasPrefix(text, short) || !strings.HasSuffix(text, "; to do: buy a DV instance, or extend the subscription") {
		t.Errorf("told %q", text)
	}
	w.all() // nothing is due, and nothing is told again
	r.was(w)

	// The list that another certificate's order reads shows that it was extended.
	later := end.AddDate(0, 0, 300)
	if err := w.sandbox.EndSubscription(instance.InstanceID, later); err != nil {
		t.Fatal(err)
	}
	w.sandbox.AddSubscription(sandbox.Subscription{})
	w.extra += "\n[[certificate]]\nname = \"other\"\ndomains = [\"other.example.com\"]\n"
	w.all()
	c, p = w.status().Certificates[0], w.planned()
	if !c.SubscriptionEnds.Equal(later) || len(c.Warnings) > 0 || len(p.Warnings) > 0 ||
		p.Instance != instance.InstanceID || !strings.HasSuffix(p.Next, ", then of instance "+instance.InstanceID) {
		t.Errorf("extended, the status is %+v, the plan %+v", c, p)
	}
	r.was(w, "recovered account main", "recovered example.com")
}

// fault 109: those that were bought on one day end on one day.
func TestASpareInstanceIsAsGoodAsALongerSubscriptionUnlessItEndsWithTheKeptOne(t *testing.T) {
	for _, tt := range []struct {
		name      string
		instances int
	}{
		{"no other one was bought with it", 1},
		{"two others were bought with it", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorldOfToday(t, sandbox.Options{Instances: tt.instances, Term: 20 * 24 * time.Hour})
			r := newReceiver(w, "")
			w.all()
			r.was(w, "no_instance account main", "subscription_ends example.com")
			w.sandbox.AddSubscription(sandbox.Subscription{FullDomainCount: 5, WildcardDomainCount: 5})
			w.renewed(Renewal{Force: true})
			r.was(w, "recovered account main", "recovered example.com")
			if c := w.status().Certificates[0]; len(c.Warnings) != 1 || w.usedInstances() != 1 {
				t.Errorf("the warnings are %q, and %d instances are used: what is forced comes early enough", c.Warnings, w.usedInstances())
			}
		})
	}
}

// fault 109
func TestARenewalThatWouldEndWithItsSubscriptionTakesASpareOneThatEndsLater(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spare time.Duration // its term; 0: none is spare
		used  int
	}{
		{"a year later", 365 * 24 * time.Hour, 2},
		{"sooner", 20 * time.Second, 1},
		{"there is none", 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Instances: 1, Term: 40 * time.Second})
			w.extra = "renew_before = \"66%\"\n"
			w.renewed(Renewal{})
			if tt.spare != 0 {
				w.sandbox.AddSubscription(sandbox.Subscription{FullDomainCount: 5, WildcardDomainCount: 5, OrderEnd: time.Now().Add(tt.spare)})
			}
			w.within(30*time.Second, "the renewal is due", func() bool { return w.status().Certificates[0].Reason != "" })
			w.renewed(Renewal{})
			if used := w.usedInstances(); used != tt.used || w.sandbox.Applied() != 2 {
				t.Errorf("%d instances, %d applications", used, w.sandbox.Applied())
			}
		})
	}
}
