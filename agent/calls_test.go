package agent

import (
	"maps"
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
