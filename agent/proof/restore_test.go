package proof

import (
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/sandbox"
	"dvagent/internal/secret"
)

// oneAccount is the accounts of a configuration with one.
type oneAccount struct{ client *aliyun.Client }

func (a oneAccount) Client(string) (*aliyun.Client, error) { return a.client, nil }

// Many that are proved at one name look for their records by one listing. It brings back
// none that is there, and each that is not.
func TestRecordsAtOneNameAreLookedForByOneListing(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	client, err := aliyun.New(aliyun.Config{
		Credentials: aliyun.Credentials{AccessKeyID: secret.Secret{Literal: s.Ready().AccessKeyID}, AccessKeySecret: secret.Secret{Literal: s.Ready().AccessKeySecret}},
		CASEndpoint: s.Ready().API, DNSEndpoint: s.Ready().API,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDNS(NewZones(state.NewHost(&config.Config{}, nil, nil), oneAccount{client}))
	owed, err := order.LoadOwed(t.TempDir() + "/records")
	if err != nil {
		t.Fatal(err)
	}
	ledger := Owed{Records: owed, Certificate: "www"}
	record := func(value string) order.Record {
		id, err := s.AddRecord("example.com", "_dnsauth", "TXT", value)
		if err != nil {
			t.Fatal(err)
		}
		r := order.Record{Account: "main", Kind: order.TXT, Zone: "example.com", RR: "_dnsauth", Name: "_dnsauth.example.com", Value: value, RecordID: id}
		if err := ledger.Note(order.Added, r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	gone := record("gone")
	if err := s.DeleteRecord(gone.RecordID); err != nil {
		t.Fatal(err)
	}
	there := []order.Record{record("one"), record("two"), record("three")}
	s.ClearHistory()
	for _, r := range append(there, gone) {
		if restored, err := d.Restore(t.Context(), r, ledger); err != nil || restored != (r == gone) {
			t.Errorf("%s: %v, %v", r.Value, restored, err)
		}
	}
	later := record("four") // put after the listing
	if restored, err := d.Restore(t.Context(), later, ledger); err != nil || restored {
		t.Errorf("%v, %v", restored, err)
	}
	var calls []string
	for _, request := range s.History() {
		calls = append(calls, request.Action)
	}
	const list, add = "DescribeSubDomainRecords", "AddDomainRecord"
	if got, want := strings.Join(calls, " "), strings.Join([]string{list, list, add, list}, " "); got != want {
		t.Error(got)
	}
}
