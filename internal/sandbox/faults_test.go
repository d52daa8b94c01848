package sandbox

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAFaultIsRead(t *testing.T) {
	for _, test := range []struct {
		spec string
		want Fault
	}{
		{"throttle", Fault{Kind: "throttle"}},
		{"throttle:DescribeDomains", Fault{Kind: "throttle", Action: "DescribeDomains"}},
		{"lose-answer:CreateDVOrderAudit:1", Fault{Kind: "lose-answer", Action: "CreateDVOrderAudit", N: 1}},
		{"error-503::3", Fault{Kind: "error-503", N: 3}},
	} {
		got, err := ParseFault(test.spec)
		if err != nil || got != test.want || got.String() != test.spec {
			t.Errorf("%s: got %+v %v", test.spec, got, err)
		}
	}
	for _, spec := range []string{"", "nonsense", "throttle:DescribeDomains:0", "throttle:DescribeDomains:many", "throttle:DescribeNothing", "expired:DescribeDomains", "refuse:DescribeDomains"} {
		if f, err := ParseFault(spec); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q was read as %+v, %v", spec, f, err)
		}
	}
}

func TestKindsAreNamedOnceDescribedAndTested(t *testing.T) {
	var tests []byte
	for _, file := range []string{"faults_test.go", "faultanswers_test.go", "faultinstances_test.go", "visit_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, text...)
	}
	seen := map[string]bool{}
	for _, k := range FaultKinds() {
		isCode := strings.HasPrefix(k.Name, "code-") // all of them have one test
		if !isCode && !bytes.Contains(tests, []byte(`"`+k.Name)) {
			t.Errorf("no test names %s", k.Name)
		}
		if seen[k.Name] || k.Description == "" || strings.ContainsAny(k.Name, ": ") {
			t.Errorf("%+v", k)
		}
		seen[k.Name] = true
	}
}

// parsed is ParseFault for specs that are right.
func parsed(t *testing.T, specs []string) []Fault {
	t.Helper()
	var faults []Fault
	for _, spec := range specs {
		f, err := ParseFault(spec)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return faults
}

func faulty(t *testing.T, specs ...string) (*Sandbox, *client) {
	t.Helper()
	o := quick
	o.Faults = parsed(t, specs)
	s := start(t, o)
	c := newClient(t, s)
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, c
}

// addRecord calls AddDomainRecord and tells whether the record is there after it.
func addRecord(s *Sandbox, c *client) (a answer, applied bool, err error) {
	a, err = c.call("2015-01-09", "AddDomainRecord", "DomainName", "example.com", "RR", "a", "Type", "TXT", "Value", "x", "TTL", "600")
	return a, len(s.Records("example.com")) > 0, err
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		kind    string
		status  int
		code    string
		applied bool
	}{
		{"throttle", 400, `"Throttling.User"`, false},                   // fault 7
		{"error-500", 500, `"InternalError"`, false},                    // fault 8
		{"error-500-applied", 500, `"InternalError"`, true},             // fault 8
		{"error-503", 503, `"ServiceUnavailable"`, false},               // fault 8
		{"error-200", 200, `"NotFound"`, false},                         // fault 5
		{"numeric-code", 400, `-1008`, false},                           // fault 30
		{"hostile-message", 400, `"InvalidParameter"`, false},           // fault 76
		{"nonce-used", 400, `"SignatureNonceUsed"`, false},              // fault 9
		{"nonce-used-applied", 400, `"SignatureNonceUsed"`, true},       // fault 9
		{"key-revoked", 400, `"InvalidAccessKeyId.Inactive"`, false},    // fault 11
		{"token-expired", 400, `"InvalidSecurityToken.Expired"`, false}, // fault 12
		{"forbidden", 403, `"Forbidden.RAM"`, false},                    // fault 13
		{"busy", 400, `"LastOperationNotFinished"`, false},              // fault 14
		{"dns-busy", 400, `"DnsSystemBusyness"`, false},                 // fault 14
		{"dns-change", 400, `"RecordForbidden.DNSChange"`, false},       // fault 14
		{"duplicate", 400, `"DomainRecordDuplicate"`, false},            // fault 15
	} {
		t.Run(test.kind, func(t *testing.T) {
			s, c := faulty(t, test.kind+":AddDomainRecord:1")
			a, applied, err := addRecord(s, c)
			if err != nil || a.status != test.status || !strings.Contains(string(a.body), `"Code":`+test.code) || applied != test.applied {
				t.Fatalf("applied %v, %v: %d %s", applied, err, a.status, a.body)
			}
			if a, _, _ := addRecord(s, c); !test.applied && a.status != http.StatusOK {
				t.Errorf("it bites a second time: %s", a.body)
			}
		})
	}
}

func TestAClockThatIsOffShowsInTheDate(t *testing.T) { // fault 10
	_, c := faulty(t, "clock-off")
	a := c.alidns("DescribeDomains")
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil || a.text("Code") != "InvalidTimeStamp.Expired" || (time.Until(date)-time.Hour).Abs() > time.Minute {
		t.Errorf("%v: %s", date, a.body)
	}
}

func TestAnswersThatDoNotComeWhole(t *testing.T) {
	for _, test := range []struct {
		kind    string
		applied bool
		isFault func(a answer, err error) bool
	}{
		{"drop-request", false, failed},            // fault 3
		{"timeout", false, failed},                 // fault 3
		{"lose-answer", true, failed},              // fault 2
		{"hang", true, failed},                     // fault 2
		{"truncate", true, failed},                 // fault 4
		{"html", true, hasBody("<!DOCTYPE html>")}, // fault 5
		{"empty", true, func(a answer, err error) bool { return err == nil && len(a.body) == 0 }}, // fault 5
		{"null", true, hasBody("null")},       // fault 5
		{"empty-object", true, hasBody("{}")}, // fault 5
		{"huge", true, func(a answer, err error) bool { return err == nil && len(a.body) > 10<<20 && a.text("RecordId") != "" }}, // fault 6
		{"endless", true, func(a answer, err error) bool { return err != nil || len(a.body) == bodyLimit }},                      // fault 6
		{"redirect", true, func(a answer, err error) bool { return err == nil && a.status == http.StatusFound }},                 // fault 87
		{"xml", true, hasBody("<?xml")}, // fault 30
	} {
		t.Run(test.kind, func(t *testing.T) {
			t.Parallel()
			s, c := faulty(t, test.kind+":AddDomainRecord:1")
			if test.kind == "timeout" || test.kind == "hang" {
				c.http.Timeout = 500 * time.Millisecond
			}
			a, applied, err := addRecord(s, c)
			if !test.isFault(a, err) || applied != test.applied {
				t.Errorf("applied %v, %v: %.200s", applied, err, a.body)
			}
			c.http.Timeout = 10 * time.Second
			if a := c.alidns("DescribeDomains"); a.status != http.StatusOK {
				t.Errorf("another action is bitten too: %s", a.body)
			}
		})
	}
}

func failed(_ answer, err error) bool { return err != nil }

func hasBody(prefix string) func(answer, error) bool {
	return func(a answer, err error) bool { return err == nil && bytes.HasPrefix(a.body, []byte(prefix)) }
}

func TestAClosedPortOpensAgain(t *testing.T) { // fault 1
	s, c := faulty(t, "refuse")
	if _, err := c.call("2015-01-09", "DescribeDomains"); err == nil {
		t.Fatal("somebody listens")
	}
	if err := s.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if a := c.alidns("DescribeDomains"); a.status != http.StatusOK {
		t.Errorf("%s", a.body)
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) { // fault 8
	run := func() (outcome []int) {
		_, c := faulty(t, "flaky")
		for range 40 {
			a, err := c.call("2015-01-09", "DescribeDomains")
			if err != nil {
				a.status = 0
			}
			outcome = append(outcome, a.status)
		}
		return outcome
	}
	first := run()
	if second := run(); !slices.Equal(first, second) {
		t.Errorf("the runs differ:\n%v\n%v", first, second)
	}
	slices.Sort(first)
	if len(slices.Compact(first)) < 3 {
		t.Errorf("too little variety: %v", first)
	}
}

func TestOrdersMeetTheirFate(t *testing.T) {
	for _, test := range []struct {
		kind   string
		status string
	}{
		{"check-fail", "check_fail"},     // fault 17
		{"checked-fail", "checked_fail"}, // fault 17
	} {
		t.Run(test.kind, func(t *testing.T) {
			s, c := faulty(t, test.kind)
			instance := s.Instances()[0].InstanceID
			c.submit(instance, "example.com")
			c.until(instance, hasStatus(test.status))
			if got := s.Instances()[0].Status; got != "CHECKED_FAIL" {
				t.Errorf("the instance is %s", got)
			}
		})
	}
}

func TestAnOrderIsHeldUntilItIsForced(t *testing.T) { // fault 16
	s, c := faulty(t, "checking-forever:CreateDVOrderAudit:1")
	held, other := s.Instances()[0].InstanceID, s.Instances()[1].InstanceID
	for _, instance := range []string{held, other} {
		c.submit(instance, instance[len("cas-cn-"):]+".example.com")
		c.publish(c.result(instance))
	}
	c.until(other, hasStatus("issued"))
	if got := c.result(held); got.text("OrderStatus") != "checking" {
		t.Fatalf("%s", got.body)
	}
	if err := s.ForceOrder(held, "issued"); err != nil {
		t.Fatal(err)
	}
	if got := c.result(held); got.text("OrderStatus") != "issued" {
		t.Errorf("%s", got.body)
	}
}

func TestAFurtherChallengeComesOnceTheFirstIsSeen(t *testing.T) { // fault 29
	for kind, want := range map[string]string{
		"second-challenge": "_dnsauth.www.example.com",
		"value-changes":    "_dnsauth.example.com",
	} {
		t.Run(kind, func(t *testing.T) {
			s, c := faulty(t, kind)
			instance := s.Instances()[0].InstanceID
			c.submit(instance, "example.com")
			first := c.result(instance)
			c.publish(first)
			second := c.until(instance, func(a answer) bool { return a.text("CheckValue") != first.text("CheckValue") })
			if second.text("CheckName") != want {
				t.Errorf("%s", second.body)
			}
			c.publish(second)
			c.until(instance, hasStatus("issued"))
		})
	}
}

// blocks counts the PEM blocks of a text, and what is not in them.
func blocks(text string) (count int, rest string) {
	for {
		block, after := pem.Decode([]byte(text))
		if block == nil {
			return count, text
		}
		count, text = count+1, string(after)
	}
}

func TestCertificatesAreSpoilt(t *testing.T) {
	s, c := faulty(t)
	leaf := func(a answer) tls.Certificate {
		pair, err := tls.X509KeyPair([]byte(a.text("Certificate")), []byte(a.text("PrivateKey")))
		if err != nil {
			return tls.Certificate{}
		}
		return pair
	}
	loads := func(a answer) bool { return leaf(a).Leaf != nil }
	count := func(n int) func(answer) bool {
		return func(a answer) bool { got, _ := blocks(a.text("Certificate")); return got == n }
	}
	starts := func(prefix string) func(answer) bool {
		return func(a answer) bool { return strings.HasPrefix(a.text("Certificate"), prefix) }
	}
	for _, test := range []struct {
		kind    string
		isFault func(answer) bool
	}{
		{"names-missing", func(a answer) bool { return loads(a) && leaf(a).Leaf.VerifyHostname("example.com") != nil }},          // fault 24
		{"wrong-key", func(a answer) bool { n, _ := blocks(a.text("PrivateKey")); return n == 1 && !loads(a) }},                  // fault 25
		{"expired", func(a answer) bool { return leaf(a).Leaf.NotAfter.Before(time.Now()) }},                                     // fault 26
		{"not-yet-valid", func(a answer) bool { return leaf(a).Leaf.NotBefore.After(time.Now()) }},                               // fault 26
		{"valid-soon", func(a answer) bool { return leaf(a).Leaf.NotBefore.After(time.Now()) }},                                  // fault 134
		{"ends-early", func(a answer) bool { return time.Until(leaf(a).Leaf.NotAfter) <= time.Hour }},                            // fault 26
		{"issued-without-certificate", func(a answer) bool { return a.text("Certificate") == "" && a.text("PrivateKey") != "" }}, // fault 23
		{"issued-without-key", func(a answer) bool { return a.text("Certificate") != "" && a.text("PrivateKey") == "" }},         // fault 23
		{"chain-reversed", func(a answer) bool { return count(2)(a) && !loads(a) }},                                              // fault 27
		{"chain-missing", func(a answer) bool { return count(1)(a) && loads(a) }},                                                // fault 27
		{"chain-doubled", count(4)}, // fault 27
		{"chain-foreign", func(a answer) bool { return count(2)(a) && loads(a) && !signedByNext(leaf(a)) }},       // fault 27
		{"crlf", func(a answer) bool { return strings.Contains(a.text("Certificate"), "-----\r\n") && loads(a) }}, // fault 28
		{"bom", starts("\ufeff-----BEGIN")}, // fault 28
		{"trailing-rubbish", func(a answer) bool { n, rest := blocks(a.text("Certificate")); return n == 2 && rest != "" }}, // fault 28
		{"key-in-certificate", count(3)}, // fault 28
		{"many-blocks", count(1002)},     // fault 28
	} {
		t.Run(test.kind, func(t *testing.T) {
			if err := s.SetFaults(Fault{Kind: test.kind}); err != nil {
				t.Fatal(err)
			}
			instance := s.AddInstance("DV", "BUY", "PAYED", "")
			c.submit(instance, "example.com")
			if err := s.ForceOrder(instance, "issued"); err != nil {
				t.Fatal(err)
			}
			if a := c.result(instance); !test.isFault(a) {
				t.Errorf("no such fault: %s", a.body)
			}
		})
	}
}

func signedByNext(pair tls.Certificate) bool {
	next, err := x509.ParseCertificate(pair.Certificate[1])
	return err == nil && pair.Leaf.CheckSignatureFrom(next) == nil
}
