package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dvagent/internal/aliyun"
	"dvagent/internal/sandbox"
)

// fault 1
func TestAnUnreachableCloudSaysUntilWhenTheCertificateIsValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.faults("refuse")
	o := w.renew(Renewal{Force: true})
	if o.Class != Failure || !strings.Contains(o.Hint(), "valid until 20") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
}

func TestARunningOrderIsForTheOneCertificateWhoseNameItsChallengeLiesUnder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Zones: []string{"example.com", "example.org"}})
	for _, name := range []string{"shop", "news.shop"} {
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = %q\ndomains = [\"%s.example.com\"]\n", name, name)
	}
	w.extra += "\n[[certificate]]\nname = \"org\"\ndomains = [\"example.org\"]\n[[certificate]]\nname = \"org-www\"\ndomains = [\"example.org\", \"www.example.org\"]\n"
	p, err := w.agent().newPass(scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, checkName string
		want            string
		known           bool
	}{
		{"a name below one certificate's", "_dnsauth.example.com", "example.com", true},
		{"the longest match counts", "_dnsauth.Shop.example.com.", "shop", true},
		{"a longer one still", "_x.news.shop.example.com", "news.shop", true},
		{"two certificates of one name are told apart by nothing", "_dnsauth.example.org", "", true},
		{"a foreign name", "_dnsauth.example.net", "", true},
		{"no name yet", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, known := p.claimant("main", aliyun.OrderResult{Status: "checking", CheckName: tt.checkName})
			if got != tt.want || known != tt.known {
				t.Errorf("got %q, %v", got, known)
			}
		})
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
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, LockWait: time.Second, Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if outcomes[0].Class != NoInstance || outcomes[1].Class != Served || w.sandbox.Submitted() != 1 {
		t.Errorf("%+v", outcomes)
	}
}
