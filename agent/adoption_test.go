package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// fault 1
func TestAnUnreachableCloudSaysUntilWhenTheCertificateIsValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.faults("refuse")
	o := w.renew(Renewal{Force: true})
	if o.Class != state.Failure || !strings.Contains(o.Hint(), "ends on 20") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
}

func TestAForeignRunningOrderIsAskedAboutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	foreign := w.sandbox.Instances()[0].InstanceID
	if err := w.sandbox.Submit(foreign, "example.net"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	w.calls()
	w.renewed(Renewal{Force: true})
	for _, request := range w.sandbox.History() {
		if request.Params["InstanceId"] == foreign {
			t.Errorf("asked again: %s", request.Action)
		}
	}
}

func TestAnAdoptedOrderWhoseLeafIsNotOursIsLetGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	other := w.sandbox.Instances()[0].InstanceID
	if err := w.sandbox.Submit(other, "example.com"); err != nil { // without the wildcard
		t.Fatal(err)
	}
	order := w.sandbox.Orders()[0]
	if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "TXT", order.CheckValue); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{Timeout: time.Minute})
	if w.sandbox.Submitted() != 2 || w.records() != "_dnsauth="+order.CheckValue {
		t.Errorf("%d submitted, records %q", w.sandbox.Submitted(), w.records())
	}
}

func TestAnInstanceThatOneCertificateListsIsReservedForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Instances: -1})
	reserved := w.sandbox.AddInstance("DV", "BUY", "PAYED", "")
	w.extra = fmt.Sprintf("\n[[certificate]]\nname = \"shop\"\ndomains = [\"shop.example.com\"]\ninstances = [%q]\n", reserved)
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
	if err != nil {
		t.Fatal(err)
	}
	if outcomes[0].Class != state.NoInstance || outcomes[1].Class != state.Served || w.sandbox.Submitted() != 1 {
		t.Errorf("%+v", outcomes)
	}
}
