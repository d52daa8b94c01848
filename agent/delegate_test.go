package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// delegating is a world where example.com's validation name is a CNAME.
func delegating(t *testing.T, target string) *world {
	t.Helper()
	w := newWorld(t, sandbox.Options{Zones: []string{"example.com", "example.net"}})
	if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "CNAME", target); err != nil {
		t.Fatal(err)
	}
	w.dns = "delegate = [\"example.net\"]\n"
	return w
}

// withoutZone passes requests on to an API, and leaves a zone out of its lists.
func withoutZone(t *testing.T, api, zone string) string {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		var answer map[string]any
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			return err
		}
		if list, ok := answer["Domains"].(map[string]any); ok {
			all, _ := list["Domain"].([]any)
			list["Domain"] = slices.DeleteFunc(all, func(row any) bool { return row.(map[string]any)["DomainName"] == zone })
			answer["TotalCount"] = len(list["Domain"].([]any))
		}
		text, err := json.Marshal(answer)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Del("Content-Length")
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// added returns the RR and zone of each AddDomainRecord so far.
func (w *world) added() string {
	var all []string
	for _, r := range w.sandbox.History() {
		if r.Action == "AddDomainRecord" {
			all = append(all, r.Params["RR"]+" in "+r.Params["DomainName"])
		}
	}
	return strings.Join(all, ", ")
}

// fault 41
func TestTheRecordGoesWhereACNAMELeads(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.acme.example.net")
	if _, err := w.sandbox.AddRecord("example.net", "site7.acme", "TXT", "of someone else"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if got := w.added(); got != "site7.acme in example.net" {
		t.Errorf("added %s", got)
	}
	left := w.sandbox.Records("example.net")
	if len(left) != 1 || left[0].Value != "of someone else" {
		t.Errorf("left in example.net: %+v", left)
	}
	if left := w.sandbox.Records("example.com"); len(left) != 1 || left[0].Type != "CNAME" {
		t.Errorf("left in example.com: %+v", left)
	}
}

// fault 41
func TestTwoCNAMEsAreFollowed(t *testing.T) {
	t.Parallel()
	w := delegating(t, "a.example.net")
	if _, err := w.sandbox.AddRecord("example.net", "a", "CNAME", "b.example.net"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if got := w.added(); got != "b in example.net" {
		t.Errorf("added %s", got)
	}
}

// A zone that no account hosts can still lead into one of ours.
func TestTheRecordOfAZoneOfOthersGoesWhereItsCNAMELeads(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.example.net")
	w.dnsEndpoint = withoutZone(t, w.sandbox.Ready().API, "example.com")
	w.renewed(Renewal{})
	if got := w.added(); got != "site7 in example.net" {
		t.Errorf("added %s", got)
	}
}

// What was asked for without an answer is found where the CNAME led, though it
// leads nowhere any more.
func TestARecordAtTheTargetIsRemovedThoughTheCNAMEIsGone(t *testing.T) {
	t.Parallel()
	w := delegating(t, "site7.example.net")
	if err := w.sandbox.SetFaults(mustFault(t, "checking-forever"), mustFault(t, "lose-answer:AddDomainRecord:1")); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{NoWait: true}); o.Class != state.Pending {
		t.Fatalf("%+v", o)
	}
	for _, r := range w.sandbox.Records("example.com") {
		if err := w.sandbox.DeleteRecord(r.RecordID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.agent().Abandon(context.Background(), "example.com", tester); err != nil {
		t.Fatal(err)
	}
	if left := w.sandbox.Records("example.net"); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}
