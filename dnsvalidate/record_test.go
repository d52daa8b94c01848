package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
	"dvagent/internal/sandbox"
	"dvagent/internal/secret"
)

// wanted is the record that the tests publish.
func wanted() Record {
	return Record{Zone: testZone, RR: "_dnsauth", Name: testName, Value: testValue}
}

// cloud starts a sandbox and a client of it.
func cloud(t *testing.T) (*sandbox.Sandbox, *aliyun.Client) {
	t.Helper()
	return cloudWith(t, testZone)
}

// cloudWith starts a sandbox that hosts the zones.
func cloudWith(t *testing.T, zones ...string) (*sandbox.Sandbox, *aliyun.Client) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Options{Zones: zones, Propagation: []time.Duration{50 * time.Millisecond, 250 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ready := s.Ready()
	client, err := aliyun.New(aliyun.Config{
		Credentials: aliyun.Credentials{
			AccessKeyID:     secret.Secret{Literal: ready.AccessKeyID},
			AccessKeySecret: secret.Secret{Literal: ready.AccessKeySecret},
		},
		CASEndpoint: ready.API, DNSEndpoint: ready.API, RequestsPerSecond: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

// seed adds a record that is not ours and returns its RecordId.
func seed(t *testing.T, s *sandbox.Sandbox, rr, recordType, value string) string {
	t.Helper()
	id, err := s.AddRecord(testZone, rr, recordType, value)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fail puts faults in force, as the sandbox's command line spells them.
func fail(t *testing.T, s *sandbox.Sandbox, specs ...string) {
	t.Helper()
	var faults []sandbox.Fault
	for _, spec := range specs {
		fault, err := sandbox.ParseFault(spec)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, fault)
	}
	if err := s.SetFaults(faults...); err != nil {
		t.Fatal(err)
	}
}

func actions(s *sandbox.Sandbox) []string {
	var names []string
	for _, request := range s.History() {
		names = append(names, request.Action)
	}
	return names
}

func accepted() error { return nil }

func publication(r Record, attempted bool, beforeAdd func() error) Publication {
	return Publication{Record: r, TTL: 600, Attempted: attempted, BeforeAdd: beforeAdd}
}

func TestAValidationRecordCostsTwoCallsToPresentAndOneToRemove(t *testing.T) {
	s, client := cloud(t)
	record, journalled := wanted(), 0
	presence, err := Present(t.Context(), client, publication(record, false, func() error { journalled++; return nil }))
	if err != nil || !presence.Ours || presence.RecordID == "" || journalled != 1 {
		t.Fatalf("%+v, %v, journalled %d times", presence, err, journalled)
	}
	if got := s.Records(testZone); len(got) != 1 || got[0].RR != "_dnsauth" || got[0].Value != testValue || got[0].TTL != 600 {
		t.Errorf("the zone holds %+v", got)
	}
	record.RecordID = presence.RecordID
	if err := Remove(t.Context(), client, record); err != nil {
		t.Fatal(err)
	}
	if got := s.Records(testZone); len(got) != 0 {
		t.Errorf("the zone still holds %+v", got)
	}
	if got := actions(s); !slices.Equal(got, []string{"DescribeSubDomainRecords", "AddDomainRecord", "DeleteDomainRecord"}) {
		t.Errorf("called %q", got)
	}
}

func TestAnIdenticalRecordIsOursOnlyAfterAnAttempt(t *testing.T) {
	tests := []struct {
		name            string
		value           string
		attempted, ours bool
	}{
		{"somebody else's is kept", testValue, false, false},
		{"quotes around the value do not matter", `"` + testValue + `"`, false, false},
		{"after an add without an answer it is ours", testValue, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, client := cloud(t)
			id := seed(t, s, "_dnsauth", "TXT", test.value)
			presence, err := Present(t.Context(), client, publication(wanted(), test.attempted, func() error {
				return errors.New("an add was about to be sent")
			}))
			if err != nil || presence != (Presence{RecordID: id, Ours: test.ours}) {
				t.Errorf("%+v, %v", presence, err)
			}
		})
	}
}

// faults 2 and 15
func TestAnAddWithoutAnAnswerIsFoundAgain(t *testing.T) {
	s, client := cloud(t)
	fail(t, s, "lose-answer:AddDomainRecord:1")
	_, err := Present(t.Context(), client, publication(wanted(), false, accepted))
	if failure, ok := errors.AsType[*aliyun.Error](err); !ok || !failure.MayHaveBeenApplied() {
		t.Fatalf("the first try ended with %v", err)
	}
	id, err := Find(t.Context(), client, wanted())
	if err != nil || id == "" {
		t.Fatalf("found %q, %v", id, err)
	}
	presence, err := Present(t.Context(), client, publication(wanted(), true, accepted))
	if err != nil || presence != (Presence{RecordID: id, Ours: true}) || len(s.Records(testZone)) != 1 {
		t.Errorf("%+v, %v, %+v", presence, err, s.Records(testZone))
	}
}

// fault 15
func TestADuplicateIsBelievedOnlyWhenItReadsBack(t *testing.T) {
	t.Run("somebody else was faster", func(t *testing.T) {
		s, client := cloud(t)
		id := ""
		presence, err := Present(t.Context(), client, publication(wanted(), false, func() error {
			id = seed(t, s, "_dnsauth", "TXT", testValue)
			return nil
		}))
		if err != nil || presence != (Presence{RecordID: id}) {
			t.Errorf("%+v, %v", presence, err)
		}
	})
	t.Run("nothing reads back", func(t *testing.T) {
		s, client := cloud(t)
		fail(t, s, "duplicate:AddDomainRecord:1")
		presence, err := Present(t.Context(), client, publication(wanted(), true, accepted))
		if err == nil || presence.RecordID != "" {
			t.Errorf("%+v, %v", presence, err)
		}
	})
}

func TestAFirstAddThatCertainlyFailedIsRefused(t *testing.T) {
	tests := []struct {
		name      string
		fault     string // "" is a CNAME that comes in between
		attempted bool
		want      bool
	}{
		{"the server says no", "", false, true},
		{"it says no to a repeated add, and the first may stand", "", true, false},
		{"it is busy", "busy:AddDomainRecord", false, true},
		{"it calls a record that is not there a duplicate", "duplicate:AddDomainRecord:1", false, true},
		{"its answer is lost", "lose-answer:AddDomainRecord:1", false, false},
		{"the add is not sent", "forbidden:DescribeSubDomainRecords", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, client := cloud(t)
			comesBetween := accepted
			if test.fault != "" {
				fail(t, s, test.fault)
			} else {
				comesBetween = func() error { seed(t, s, "_dnsauth", "CNAME", "x.example.net"); return nil }
			}
			presence, err := Present(t.Context(), client, publication(wanted(), test.attempted, comesBetween))
			if err == nil || presence != (Presence{Refused: test.want}) {
				t.Errorf("%+v, %v", presence, err)
			}
		})
	}
}

func TestNothingIsAddedThatIsNotJournalled(t *testing.T) {
	s, client := cloud(t)
	full := errors.New("no space left")
	_, err := Present(t.Context(), client, publication(wanted(), false, func() error { return full }))
	if !errors.Is(err, full) || len(s.Records(testZone)) != 0 {
		t.Errorf("%v, %+v", err, s.Records(testZone))
	}
}

func TestARecordWithoutAValueIsNotPublished(t *testing.T) {
	s, client := cloud(t)
	record := wanted()
	record.Value = ""
	if _, err := Present(t.Context(), client, publication(record, false, accepted)); err == nil || len(s.History()) != 0 {
		t.Errorf("%v after %q", err, actions(s))
	}
}

// fault 41
func TestACNAMEInTheWayIsReportedWithItsTarget(t *testing.T) {
	s, client := cloud(t)
	seed(t, s, "_dnsauth", "CNAME", "x.acme.example.net")
	_, err := Present(t.Context(), client, publication(wanted(), false, accepted))
	alias, ok := errors.AsType[*CNAMEError](err)
	if !ok || alias.Target != "x.acme.example.net" || hint.Of(err) == "" {
		t.Fatalf("%v, hint %q", err, hint.Of(err))
	}
	if zone := (Settings{Delegate: []string{"example.net", "acme.example.net"}}).DelegateZone(alias.Target); zone != "acme.example.net" {
		t.Errorf("the target lies in %q", zone)
	}
}

// altered passes a real account's records through change.
type altered struct {
	Provider
	change func(*aliyun.Record)
}

func (a altered) DescribeSubDomainRecords(ctx context.Context, zone, fqdn, recordType string) ([]aliyun.Record, error) {
	records, err := a.Provider.DescribeSubDomainRecords(ctx, zone, fqdn, recordType)
	for i := range records {
		a.change(&records[i])
	}
	return records, err
}

func TestADisabledIdenticalRecordIsAnErrorWithAHint(t *testing.T) {
	s, client := cloud(t)
	seed(t, s, "_dnsauth", "TXT", testValue)
	provider := altered{client, func(r *aliyun.Record) { r.Status = "DISABLE" }}
	if _, err := Present(t.Context(), provider, publication(wanted(), true, accepted)); err == nil || hint.Of(err) == "" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestOnlyExactlyThisRecordIsFound(t *testing.T) {
	s, client := cloud(t)
	id := seed(t, s, "_dnsauth", "TXT", testValue)
	tests := []struct {
		name   string
		change func(*aliyun.Record)
		want   string
	}{
		{"as it is", func(*aliyun.Record) {}, id},
		{"with quotes and capitals in the name", func(r *aliyun.Record) { r.Value, r.RR = `"`+r.Value+`"`, "_DNSAUTH" }, id},
		{"another value", func(r *aliyun.Record) { r.Value += "x" }, ""},
		{"another case of the value", func(r *aliyun.Record) { r.Value = "202611230000003K2X1R" }, ""},
		{"another type", func(r *aliyun.Record) { r.Type = "SPF" }, ""},
		{"another name", func(r *aliyun.Record) { r.RR = "_dnsauth.www" }, ""},
		{"another zone", func(r *aliyun.Record) { r.Zone = "www.example.com" }, ""},
		{"another line", func(r *aliyun.Record) { r.Line = "telecom" }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Find(t.Context(), altered{client, test.change}, wanted())
			if err != nil || got != test.want {
				t.Errorf("found %q, %v", got, err)
			}
		})
	}
}

// fault 47
func TestForeignRecordsStayAsTheyAre(t *testing.T) {
	s, client := cloud(t)
	for i := range 505 {
		seed(t, s, "_dnsauth", "TXT", fmt.Sprintf("foreign-%03d", i))
	}
	before := s.Records(testZone)
	record := wanted()
	presence, err := Present(t.Context(), client, publication(record, false, accepted))
	if err != nil || !presence.Ours {
		t.Fatal(presence, err)
	}
	if record.RecordID, err = Find(t.Context(), client, record); err != nil || record.RecordID != presence.RecordID {
		t.Fatalf("found %q, %v", record.RecordID, err)
	}
	if err := Remove(t.Context(), client, record); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Records(testZone), before) {
		t.Error("other records changed")
	}
}

// fault 48
func TestRemovingIsDoneWhenTheRecordIsGone(t *testing.T) {
	s, client := cloud(t)
	record := wanted()
	if err := Remove(t.Context(), client, record); err == nil {
		t.Error("a record without a RecordId was removed")
	}
	record.RecordID = seed(t, s, "_dnsauth", "TXT", testValue)
	fail(t, s, "busy:DeleteDomainRecord:1")
	if err := Remove(t.Context(), client, record); err == nil || len(s.Records(testZone)) != 1 {
		t.Errorf("a failed delete returned %v", err)
	}
	for range 2 {
		if err := Remove(t.Context(), client, record); err != nil || len(s.Records(testZone)) != 0 {
			t.Errorf("%v, %+v", err, s.Records(testZone))
		}
	}
}

func TestAPublishedRecordBecomesVisibleAtEveryNameServer(t *testing.T) {
	s, client := cloud(t)
	prover := NewProver(Settings{NameServers: s.Ready().DNS})
	if _, err := Present(t.Context(), client, publication(wanted(), false, accepted)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		verdict, err := prover.Look(t.Context(), question())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Visible {
			return
		}
		time.Sleep(20 * time.Millisecond) // between polls, not for them
	}
	t.Error("it never became visible")
}
