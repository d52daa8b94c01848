package agent

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/sandbox"
	"dvagent/internal/secret"
)

// fault 129: hosts with one account and names of their own, which all begin at
// the same moment, get an instance each.
func TestHostsThatShareAnAccountGetAnInstanceEach(t *testing.T) {
	rounds := 4
	if longTest() {
		rounds = 100
	} else {
		t.Logf("only %d rounds; DVAGENT_LONG_TESTS=1 makes 100", rounds)
	}
	for _, o := range orderings[:2] {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for range rounds {
				shareAnAccount(t, o, 6)
			}
		})
	}
}

func shareAnAccount(t *testing.T, o ordering, hosts int) {
	w := o.newWorld(t, sandbox.Options{Instances: hosts, IssueAfter: 20 * time.Millisecond})
	defer w.sandbox.Close()
	outcomes := make([]state.Outcome, hosts)
	var all sync.WaitGroup
	for i := range hosts {
		w.domains = fmt.Sprintf("[\"host%d.example.com\"]", i)
		w.dir = t.TempDir()
		a := w.agent()
		all.Go(func() {
			found, err := a.Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
			if err != nil {
				t.Error(err)
				return
			}
			outcomes[i] = found[0]
		})
	}
	all.Wait()
	for i, o := range outcomes {
		if o.Class != state.Served {
			t.Errorf("host%d: %+v", i, o)
		}
	}
	used, orders := o.used(w), o.orders(w)
	if o.name != order.API2018 {
		// An application carries no request: what one host hands in may be what another
		// has just filled in, who then hands it in again, at no cost.
		orders = min(orders, hosts)
	}
	if used != hosts || orders != hosts {
		t.Errorf("%d instances used, %d orders, by %d hosts", used, orders, hosts)
	}
}

// fault 129: what an older dvagent left stopped, since it took another host's
// order for its own, goes on with another instance by itself.
func TestAnOrderThatStoppedOnAnothersInstanceGoesOn(t *testing.T) {
	t.Parallel()
	for _, step := range []string{order.StatusIssued, "checking"} {
		t.Run("when it was "+step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
			instance := w.sandbox.Instances()[0].InstanceID
			if err := w.sandbox.Submit(instance, "example.net"); err != nil {
				t.Fatal(err)
			}
			w.faults()
			if step == order.StatusIssued {
				if err := w.sandbox.ForceOrder(instance, "issued"); err != nil {
					t.Fatal(err)
				}
			}
			w.leavesStopped(instance, step)
			w.look(w.agent())
			if o := w.renew(Renewal{}); o.Class != state.Served || w.instancesUsed() != 2 {
				t.Errorf("%+v; %d instances used", o, w.instancesUsed())
			}
		})
	}
}

// leavesStopped writes what an older dvagent did: it was refused, found the
// instance in use, and took the order for its own.
func (w *world) leavesStopped(instance, status string) {
	w.Helper()
	ledger, err := order.LoadInstances(w.agent().host.Dir.Instances())
	if err != nil {
		w.Fatal(err)
	}
	at := order.Instance{Account: "main", ID: instance}
	claim := order.Claim{Instance: instance, API: order.API2018}
	o, err := order.Open(w.where().Certificate("example.com"), order.Application{
		Domains: []string{"example.com", "*.example.com"}, Account: "main", DNSAccount: "main", Reason: state.ReasonMissing})
	if err != nil {
		w.Fatal(err)
	}
	for _, write := range []func() error{
		func() error { _, err := ledger.Claim("main", "example.com", claim); return err },
		func() error { return ledger.Submit(at, "example.com", nil) },
		func() error { return o.Claim(claim) },
		func() error { return o.BeginSubmission(nil) },
		func() error { return o.Submitted("", "") },
		func() error { return o.See(status) },
		func() error { return o.Fail(order.Failure{Text: "it stopped", Stopped: true}) },
	} {
		if err := write(); err != nil {
			w.Fatal(err)
		}
	}
}

// fault 139: an order for a name below ours is not ours.
func TestAnotherHostsOrderForANameBelowOursIsNotAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}, Zones: []string{"example.com", "api.example.com"}})
	if err := w.sandbox.Submit(w.sandbox.Instances()[0].InstanceID, "api.example.com"); err != nil {
		t.Fatal(err)
	}
	w.faults()
	w.domains = `["example.com"]`
	if o := w.renew(Renewal{}); o.Class != state.Served || w.instancesUsed() != 2 {
		t.Errorf("%+v; %d instances used", o, w.instancesUsed())
	}
}

// fault 140
func TestACertificateThatIsRenamedWhileItsOrderRunsBuysNoSecondInstance(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{IssueAfter: 2 * time.Second})
		for range 100 { // until its record stands
			if w.renew(Renewal{NoWait: true}); w.records() != "" {
				break
			}
		}
		w.name = "renamed"
		if out := w.renew(Renewal{Timeout: time.Minute}); out.Class != state.Served || o.used(w) != 1 || o.orders(w) != 1 || w.records() != "" {
			t.Errorf("%+v; %d instances, %d orders; records left: %q", out, o.used(w), o.orders(w), w.records())
		}
		if orphans := w.status().Orphans; len(orphans) > 0 {
			t.Errorf("orphans: %+v", orphans)
		}
	})
}

// fault 134: the CA's clock is ahead of ours.
func TestACertificateThatIsNotValidYetIsWaitedFor(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "valid-soon")}})
		if out := w.renew(Renewal{NoWait: true}); out.Class != state.Pending {
			t.Errorf("%+v", out)
		}
		w.renewed(Renewal{})
	})
}

// fault 129: the instance yielded another host's certificate, and took our request
// only then; we died before we saw it.
func TestWhatAnInstanceYieldedBeforeOurRequestIsNotOurs(t *testing.T) {
	for _, names := range []string{"other.example.com", "example.com *.example.com"} {
		t.Run("for "+names, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "drop-request:ApplyCertificate")}})
			w.renewUntil("the application", func() bool { return w.called("ApplyCertificate") })
			w.faults()
			instance := w.requested()
			request := w.request(instance)
			if err := w.sandbox.Apply(instance, strings.Fields(names)...); err != nil {
				t.Fatal(err)
			}
			if err := w.sandbox.ForceOrder(instance, "issued"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.client().UpdateInstance(t.Context(), instance, aliyun.InstanceSettings{CSR: request}); err != nil {
				t.Fatal(err)
			}
			w.renewed(Renewal{Timeout: time.Minute})
			if n := w.sandbox.Applied(); n != 2 {
				t.Errorf("%d applications", n)
			}
		})
	}
}

// requested is the instance that was filled in.
func (w *world) requested() string {
	w.Helper()
	for _, request := range w.sandbox.History() {
		if request.Action == "UpdateInstance" {
			return request.Params["InstanceId"]
		}
	}
	w.Fatal("no instance was filled in")
	return ""
}

// request is the certificate request that an instance holds.
func (w *world) request(instance string) string {
	w.Helper()
	detail, err := w.client().GetInstanceDetail(w.Context(), instance)
	if err != nil {
		w.Fatal(err)
	}
	return detail.CSR
}

// client is another program's, of the same account.
func (w *world) client() *aliyun.Client {
	w.Helper()
	ready := w.sandbox.Ready()
	client, err := aliyun.New(aliyun.Config{CASEndpoint: ready.API, DNSEndpoint: ready.API, STSEndpoint: ready.API,
		Credentials: aliyun.Credentials{
			AccessKeyID:     secret.Secret{Literal: ready.AccessKeyID},
			AccessKeySecret: secret.Secret{Literal: ready.AccessKeySecret},
		}})
	if err != nil {
		w.Fatal(err)
	}
	return client
}
