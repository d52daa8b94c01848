package sandbox

import (
	"fmt"
	"net/http"
	"testing"
)

func TestTheManagementPortArrangesSubscriptions(t *testing.T) {
	o := quick
	o.Instances, o.Packages = -1, []Package{{ProductCode: freeProduct, Total: 1}}
	s := start(t, o)
	c := newClient(t, s)
	var none struct{}
	var added struct {
		InstanceId         string
		OrderId, ContactId int64
	}
	manage(t, s, "POST", "/subscriptions", `{"InstanceType":"TEST","InstanceId":"cas_dv-cn-mine"}`, &added)
	manage(t, s, "POST", "/subscriptions/cas_dv-cn-mine", `{"domains":["example.com"]}`, &none)
	var list []Subscription
	if manage(t, s, "GET", "/subscriptions", "", &list); len(list) != 1 || list[0].Status != "pending" || list[0].Spec != "ss.dv.t" || len(list[0].KeyHash) != 64 {
		t.Errorf("%+v", list)
	}
	manage(t, s, "POST", "/orders/cas_dv-cn-mine", `{"status":"issued"}`, &none)
	manage(t, s, "POST", "/subscriptions/cas_dv-cn-mine", `{"reissue":true}`, &none)
	manage(t, s, "POST", "/subscriptions/cas_dv-cn-mine", `{"AutoReissue":"enable"}`, &none)
	if hosted := c.detail("cas_dv-cn-mine").text("AutoReissue"); hosted != "enable" {
		t.Errorf("AutoReissue is %s", hosted)
	}
	var certificates []Certificate
	if manage(t, s, "GET", "/certificates", "", &certificates); len(certificates) != 2 || certificates[1].KeyHash != list[0].KeyHash {
		t.Errorf("%+v", certificates)
	}
	manage(t, s, "POST", fmt.Sprint("/certificates/", certificates[1].ID), `{"revoked":true}`, &none)
	if got := c.detail("cas_dv-cn-mine").text("CertificateStatus"); got != "revoked" {
		t.Errorf("the certificate is %s", got)
	}
	manage(t, s, "POST", "/subscriptions/cas_dv-cn-mine", `{"end":"2020-01-01T00:00:00Z"}`, &none)
	if got := c.detail("cas_dv-cn-mine").text("Status"); got != "expired" {
		t.Errorf("after its end it is %s", got)
	}
	manage(t, s, "POST", "/subscriptions/cas_dv-cn-mine", `{"status":"refund"}`, &none)
	if got := c.detail("cas_dv-cn-mine").text("Status"); got != "refund" {
		t.Errorf("given back it is %s", got)
	}

	manage(t, s, "POST", "/packageorders", `{"ProductCode":"digicert-free-1-free","Domains":["example.com"]}`, &added)
	var orders []PackageOrder
	if manage(t, s, "GET", "/packageorders", "", &orders); len(orders) != 1 || orders[0].OrderID != added.OrderId || len(orders[0].KeyHash) != 64 {
		t.Errorf("%+v", orders)
	}
	var packages []Package
	if manage(t, s, "GET", "/packages", "", &packages); len(packages) != 1 || packages[0].Used != 1 {
		t.Errorf("%+v", packages)
	}
	manage(t, s, "POST", "/contacts", `{"Name":"Li Si","Mobile":"139"}`, &added)
	var contacts []Contact
	if manage(t, s, "GET", "/contacts", "", &contacts); len(contacts) != 2 || contacts[1].ID != added.ContactId {
		t.Errorf("%+v", contacts)
	}
}

func TestTheManagementPortRefusesWhatNoSubscriptionTakes(t *testing.T) {
	s := start(t, quick)
	id := s.Subscriptions()[0].InstanceID
	for _, test := range []struct{ name, path, body string }{
		{"an application on an unknown instance", "/subscriptions/nobody", `{"domains":["example.com"]}`},
		{"an application for a name that is none", "/subscriptions/" + id, `{"domains":["a..b"]}`},
		{"a status that ends nothing", "/subscriptions/" + id, `{"status":"normal"}`},
		{"a renewal without a certificate", "/subscriptions/" + id, `{"reissue":true}`},
		{"a renewal by itself that is neither on nor off", "/subscriptions/" + id, `{"AutoReissue":"perhaps"}`},
		{"no change", "/subscriptions/" + id, `{}`},
		{"an order for no name", "/packageorders", `{"ProductCode":"digicert-free-1-free"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var answer struct{ Error string }
			if status := manage(t, s, "POST", test.path, test.body, &answer); status != http.StatusBadRequest || answer.Error == "" {
				t.Errorf("%d %+v", status, answer)
			}
		})
	}
}
