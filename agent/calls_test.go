package agent

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// What is no look at the order is asked for once: by the first order of an account, and
// by the next one of another process, which has what the disk keeps of that one.
func TestAnOrderAsksOnceForWhatIsNoLook(t *testing.T) {
	for _, tt := range []struct {
		api, look   string
		least       int // looks: those that cannot be left out
		first, next map[string]int
	}{
		{sandbox.API2018, "DescribeDVOrderResult", 2,
			map[string]int{"DescribeOrderInstanceList": 1, "DescribeUserCertificateList": 1, "DescribeDomains": 1, "DescribeSubDomainRecords": 1,
				"CreateDVOrderAudit": 1, "AddDomainRecord": 1, "DeleteDomainRecord": 1},
			map[string]int{"DescribeOrderInstanceList": 1, "DescribeDomains": 1, "DescribeSubDomainRecords": 1,
				"CreateDVOrderAudit": 1, "AddDomainRecord": 1, "DeleteDomainRecord": 1}},
		{sandbox.API2020, "GetInstanceDetail", 5, // two of them around the change, and two until the challenge is told
			map[string]int{"ListInstances": 1, "ListCertificates": 1, "ListContact": 1, "DescribeDomains": 1, "DescribeSubDomainRecords": 1,
				"UpdateInstance": 1, "ApplyCertificate": 1, "AddDomainRecord": 1, "GetUserCertificateDetail": 1, "DeleteDomainRecord": 1},
			map[string]int{"ListInstances": 1, "DescribeDomains": 1, "DescribeSubDomainRecords": 1,
				"UpdateInstance": 1, "ApplyCertificate": 1, "AddDomainRecord": 1, "GetUserCertificateDetail": 1, "DeleteDomainRecord": 1}},
	} {
		t.Run(tt.api, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Instances: 2, IssueAfter: 3 * time.Second})
			w.api = tt.api
			for i, want := range []map[string]int{tt.first, tt.next} {
				outcomes, err := w.agent().Renew(t.Context(), Renewal{Force: i > 0, Timeout: 5 * time.Minute, Caller: tester})
				if err != nil || len(outcomes) != 1 || !outcomes[0].Ordered {
					t.Fatalf("order %d: %+v, %v", i+1, outcomes, err)
				}
				calls := w.calls()
				looks := calls[tt.look]
				delete(calls, tt.look)
				if !maps.Equal(calls, want) || looks < tt.least || looks > tt.least+12 {
					t.Errorf("order %d: %d looks, %v", i+1, looks, calls)
				}
			}
		})
	}
}

// What does not hang on an answer is asked for beside it: the zones beside the instances,
// and what stands at the names beside the certificates.
func TestTheZonesAreReadBesideTheAccountsLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	beside := map[string]string{"DescribeOrderInstanceList": "DescribeDomains", "DescribeUserCertificateList": "DescribeSubDomainRecords"}
	asked := map[string]chan struct{}{}
	for _, other := range beside {
		asked[other] = make(chan struct{})
	}
	var mu sync.Mutex
	var inVain atomic.Int64
	api := before(t, w.sandbox.Ready().API, func(rw http.ResponseWriter, r *http.Request, parameter func(string) string, behind http.Handler) {
		action := parameter("Action")
		mu.Lock()
		if first := asked[action]; first != nil {
			close(first)
			asked[action] = nil
		}
		wait := asked[beside[action]]
		mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-time.After(10 * time.Second):
				inVain.Add(1)
			}
		}
		behind.ServeHTTP(rw, r)
	})
	w.casEndpoint, w.dnsEndpoint = api, api
	if w.renewed(Renewal{}); inVain.Load() > 0 {
		t.Errorf("%d lists waited in vain", inVain.Load())
	}
}

// Where it is not permitted, each name is listed by itself.
func TestOrdersAtOnceListTheRecordsOfAZoneTogether(t *testing.T) {
	const many = 20
	for _, tt := range []struct {
		name        string
		faults      []sandbox.Fault
		least, most int // names that are listed one by one
	}{
		{"by few calls", nil, 0, many / 2},
		{"one by one where the list is forbidden", []sandbox.Fault{mustFault(t, "forbidden:DescribeDomainRecords")}, many, many},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Instances: many, Faults: tt.faults})
			calls := ofMany(t, w, many, nil)
			if single := calls["DescribeSubDomainRecords"]; single < tt.least || single > tt.most {
				t.Errorf("%d names were listed one by one, and lists of many read %d times", single, calls["DescribeDomainRecords"])
			}
		})
	}
}
