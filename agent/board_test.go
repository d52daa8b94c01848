package agent

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// ofMany places many orders at once, and calls submitted, unless it is nil, when all
// are with the CA. It fails the test unless each is issued, was paid once and left
// nothing.
func ofMany(t *testing.T, w *world, many int, submitted func()) (calls map[string]int) {
	t.Helper()
	w.certificates(many, func(string) string { return "key_type = \"ec256\"\n" })
	w.extra += "\n[limits]\nparallel_orders = 50\nrequests_per_second = 500\n"
	var once sync.Once
	w.onProgress(func(p state.Progress) {
		if submitted != nil && p.Waiting && p.Step == "issue" && len(w.sandbox.Orders()) == many && strings.Count(w.records(), "=") == many {
			once.Do(submitted)
		}
	})
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: 10 * time.Minute, Caller: tester})
	if err != nil || len(outcomes) != many || state.Worst(outcomes) != state.Served {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	calls = w.calls()
	if n := calls["CreateDVOrderAudit"] + calls["ApplyCertificate"]; n != many || w.records() != "" {
		t.Errorf("%d submissions, records %q", n, w.records())
	}
	if submitted != nil {
		once.Do(func() { t.Error("the orders never waited all together") })
	}
	return calls
}

func TestManyOrdersThatWaitAreLookedAtByOneList(t *testing.T) {
	const many = 40
	for _, tt := range []struct {
		api, list, result string
		results           int // calls for each
	}{
		{sandbox.API2018, "DescribeOrderInstanceList", "DescribeDVOrderResult", 2}, // for the challenge, and for the certificate
		{sandbox.API2020, "ListInstances", "GetInstanceDetail", 5},
	} {
		t.Run(tt.api, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Instances: many, IssueAfter: 5 * time.Second})
			w.api = tt.api
			calls := ofMany(t, w, many, nil)
			if results, lists := calls[tt.result], calls[tt.list]; results > many*(tt.results+1) || lists > 2*many { // a busy machine looks more often
				t.Errorf("%d results, %d lists", results, lists)
			}
		})
	}
}

// fault 20, fault 205: what a list says of an order is never more than a reason to
// look closer, and what it does not say costs time alone.
func TestAListThatLiesCostsNoOrder(t *testing.T) {
	for _, tt := range []struct{ name, fault string }{
		{"it is empty", "no-instances"},
		{"it lacks a row", "omit-instance"},
		{"it cannot be read", "forbidden"},
		{"it is throttled", "throttle"},
	} {
		for api, list := range map[string]string{sandbox.API2018: "DescribeOrderInstanceList", sandbox.API2020: "ListInstances"} {
			t.Run(tt.name+" in "+api, func(t *testing.T) {
				t.Parallel()
				const many = 8
				w := newWorld(t, sandbox.Options{Instances: many, IssueAfter: 5 * time.Second})
				w.api = api
				ofMany(t, w, many, func() { w.faults(tt.fault + ":" + list) })
			})
		}
	}
}

// fault 205
func TestAListThatNeverChangesCostsNoOrder(t *testing.T) {
	t.Parallel()
	const many = 8
	w := newWorld(t, sandbox.Options{Instances: many, IssueAfter: 5 * time.Second})
	stale := &staleList{action: "DescribeOrderInstanceList"}
	w.casEndpoint = stale.before(t, w.sandbox.Ready().API)
	ofMany(t, w, many, stale.freeze)
	if stale.answers == 0 {
		t.Error("the list was never asked for")
	}
}

// staleList passes requests on, and answers those for one list as it did at one time.
type staleList struct {
	action string

	mu     sync.Mutex
	frozen bool
	kept   map[string][]byte // by what tells the pages apart

	answers int // while it was frozen
}

func (s *staleList) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen, s.kept = true, map[string][]byte{}
}

func (s *staleList) before(t *testing.T, api string) string {
	return before(t, api, func(w http.ResponseWriter, r *http.Request, parameter func(string) string, behind http.Handler) {
		s.mu.Lock()
		defer s.mu.Unlock()
		page := parameter("StartIndex")
		if !s.frozen || parameter("Action") != s.action {
			behind.ServeHTTP(w, r)
			return
		}
		if s.answers++; s.kept[page] == nil {
			answer := httptest.NewRecorder()
			behind.ServeHTTP(answer, r)
			s.kept[page] = answer.Body.Bytes()
		}
		_, _ = w.Write(s.kept[page])
	})
}

// fault 20: that the list shows a certificate is a reason to read it, and no more.
func TestAListThatShowsTheCertificateOfAnotherCostsNoOrder(t *testing.T) {
	t.Parallel()
	const many = 8
	w := newWorld(t, sandbox.Options{Instances: many, IssueAfter: 5 * time.Second})
	w.api = sandbox.API2020
	var lies, lied atomic.Int64
	w.casEndpoint = before(t, w.sandbox.Ready().API, func(out http.ResponseWriter, r *http.Request, parameter func(string) string, behind http.Handler) {
		issued := w.sandbox.Certificates()
		if parameter("Action") != "ListInstances" || lies.Load() == 0 || len(issued) == 0 {
			behind.ServeHTTP(out, r)
			return
		}
		answer := httptest.NewRecorder()
		behind.ServeHTTP(answer, r)
		var list map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
			t.Error(err)
		}
		for _, row := range list["InstanceList"].([]any) {
			row.(map[string]any)["CertificateId"], row.(map[string]any)["CertificateStatus"] = issued[0].ID, "issued"
		}
		lied.Add(1)
		_ = json.NewEncoder(out).Encode(list)
	})
	ofMany(t, w, many, func() { lies.Store(1) })
	if lied.Load() == 0 {
		t.Error("the list was never asked for")
	}
}
