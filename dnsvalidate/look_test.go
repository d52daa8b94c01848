package dnsvalidate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/miekg/dns"
)

func look(t *testing.T, settings Settings) Verdict {
	t.Helper()
	return lookFor(t, settings, question())
}

func lookFor(t *testing.T, settings Settings, q Question) Verdict {
	t.Helper()
	verdict, err := NewProver(settings).Look(t.Context(), q)
	if err != nil {
		t.Error(err)
	}
	return verdict
}

func TestWhatANameServerSaysIsItsState(t *testing.T) {
	packed := func(change func(*dns.Msg)) func(*dns.Msg) []byte {
		return func(query *dns.Msg) []byte {
			packet, err := changed(published(), change)(query).Pack()
			if err != nil {
				panic(err)
			}
			return packet
		}
	}
	tests := []struct {
		name    string
		answer  reply
		packets func(*dns.Msg) []byte
		want    string
	}{
		{name: "a server with the record shows it", answer: published(), want: "visible"},
		{name: "a server without the record does not yet", answer: zoneWith(7), want: "not yet (serial 7)"},
		// fault 36
		{name: "a server that refuses", answer: withCode(dns.RcodeRefused), want: "refused"},
		// fault 37
		{name: "a server that fails", answer: withCode(dns.RcodeServerFailure), want: "failed (SERVFAIL)"},
		{name: "a server that does not implement the question", answer: withCode(dns.RcodeNotImplemented), want: "failed (NOTIMP)"},
		{name: "a server without authority is lame", answer: changed(published(), func(m *dns.Msg) { m.Authoritative = false }), want: "lame"},
		{name: "a recursive resolver in the server's place", answer: changed(published(), func(m *dns.Msg) {
			m.Authoritative, m.RecursionAvailable = false, true
		}), want: "port 53 intercepted"},
		{name: "a referral says where to", answer: changed(zoneWith(1), func(m *dns.Msg) {
			m.Authoritative, m.Rcode, m.Ns = false, dns.RcodeSuccess, parseRecords([]string{"_dnsauth.example.com. 60 NS ns.example.net."})
		}), want: "lame (refers _dnsauth.example.com to ns.example.net)"},
		// fault 34
		{name: "a truncated answer with TCP closed", packets: packed(func(m *dns.Msg) { m.Truncated, m.Answer = true, nil }), want: "truncated (over UDP, and TCP failed: silent (port closed))"},
		{name: "an answer that is truncated over TCP too", answer: changed(published(), func(m *dns.Msg) { m.Truncated = true }), want: "truncated (over UDP, and TCP failed: truncated)"},
		// fault 35
		{name: "a black hole", packets: func(*dns.Msg) []byte { return nil }, want: "silent"},
		// fault 43
		{name: "a wrong id is no answer", packets: packed(func(m *dns.Msg) { m.Id++ }), want: "malformed (wrong id)"},
		{name: "another question's answer is no answer", packets: packed(func(m *dns.Msg) { m.Question[0].Name = "www.example.com." }), want: "malformed (answers another question)"},
		{name: "a query sent back is no answer", packets: packed(func(m *dns.Msg) { m.Response = false }), want: "malformed (not an answer)"},
		{name: "rubbish is no answer", packets: func(*dns.Msg) []byte { return []byte("rubbish") }, want: "malformed (the packet cannot be read)"},
		// fault 39
		{name: "a record that is gone at the second look", answer: inTurn(published(), zoneWith(3)), want: "flapping (not yet at the second look)"},
		// fault 41
		{name: "a CNAME leads elsewhere", answer: zoneWith(1, testName+" 60 CNAME x.example.net."), want: "CNAME to x.example.net"},
		// fault 42
		{name: "a wildcard masks the name", answer: zoneWith(1, txt(testName, "v=spf1 -all")), want: "not yet (1 other value)"},
		{name: "a denial counts more than what it carries", answer: changed(published(), func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), want: "not yet"},
		{name: "a server that has a subzone answers from that", answer: changed(zoneWith(1), func(m *dns.Msg) {
			m.Ns = parseRecords([]string{testName + " 60 SOA ns. hostmaster. 4 1 1 1 1"})
		}), want: "not yet (answers from the zone _dnsauth.example.com)"},
		{name: "a code without a name is a number", answer: changed(withCode(3000), func(m *dns.Msg) { m.SetEdns0(udpSize, false) }), want: "failed (code 3000)"},
		{name: "a server that does not know EDNS0 is asked without", answer: withoutEDNS(dns.RcodeFormatError), want: "visible"},
		{name: "one that calls that not implemented, too", answer: withoutEDNS(dns.RcodeNotImplemented), want: "visible"},
		{name: "one that finds a bad version, too", answer: withoutEDNS(dns.RcodeBadVers), want: "visible"},
		{name: "a bad version without EDNS0 is a failure", answer: changed(withCode(dns.RcodeBadVers), func(m *dns.Msg) { m.SetEdns0(udpSize, false) }), want: "failed (BADVERS)"},
	}
	addresses := make([]string, len(tests))
	for i, test := range tests {
		if test.packets != nil {
			addresses[i] = servePackets(t, test.packets)
		} else {
			addresses[i] = serve(t, "127.0.0.1", "0", test.answer)
		}
	}
	verdicts := make([]Verdict, len(tests))
	inParallel(len(tests), func(i int) { verdicts[i] = look(t, Settings{NameServers: addresses[i : i+1]}) })
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.TrimPrefix(verdicts[i].Servers[0].String(), addresses[i]+" ")
			if got != test.want || verdicts[i].Visible != (test.want == "visible") {
				t.Errorf("said %q (visible %t), want %q", got, verdicts[i].Visible, test.want)
			}
		})
	}
}

func TestOnlyTheExactValueIsVisible(t *testing.T) {
	long := strings.Repeat("0123456789", 60)
	tests := []struct {
		name, value string
		records     []string
		want        bool
	}{
		// fault 40
		{"ours is the last of several values", testValue, []string{txt(testName, "a"), txt(testName, "b"), txt(testName, testValue)}, true},
		{"a value comes in strings of 255 bytes", long, []string{testName + ` 60 TXT "` + long[:255] + `" "` + long[255:510] + `" "` + long[510:] + `"`}, true},
		{"another case is another value", "AbC", []string{txt(testName, "abc")}, false},
		{"quotes in the value count", "abc", []string{testName + ` 60 TXT "\"abc\""`}, false},
		{"quotes are compared like any byte", `a"b\c`, []string{testName + ` 60 TXT "a\"b\\c"`}, true},
		{"a longer value is another", "abc", []string{txt(testName, "abcd")}, false},
		{"a record at another name does not count", testValue, []string{txt("www.example.com", testValue)}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", "0", zoneWith(1, test.records...))
			if got := lookFor(t, Settings{NameServers: []string{address}}, Question{Zone: testZone, Name: testName, Value: test.value}); got.Visible != test.want {
				t.Errorf("visible is %t: %s", got.Visible, got)
			}
		})
	}
}

func TestAnyValueIsRecognisedOnTheWire(t *testing.T) {
	property := func(value []byte) bool {
		value = value[:min(len(value), 255)]
		query := newQuery(testName, dns.TypeTXT, false)
		response := new(dns.Msg).SetReply(query)
		response.Answer = []dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: testName + ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{escaped(string(value))},
		}}
		packet, err := response.Pack()
		if err != nil {
			return false
		}
		answer, err := parse(query, packet)
		if err != nil {
			return false
		}
		state, _ := content(answer, Question{Name: testName, Type: typeTXT, Value: string(value)})
		return state == stateVisible
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

// fault 33
func TestATruncatedAnswerIsFetchedOverTCP(t *testing.T) {
	if verdict := look(t, Settings{NameServers: []string{serveTruncated(t, published())}}); !verdict.Visible {
		t.Error(verdict)
	}
}

// fault 34
func TestATCPConnectionThatSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	address := serveHandler(t, "127.0.0.1", "0", func(w dns.ResponseWriter, query *dns.Msg) {
		if w.LocalAddr().Network() == "udp" {
			_ = w.WriteMsg(changed(published(), func(m *dns.Msg) { m.Truncated = true })(query))
		}
	})
	begun := time.Now()
	verdict := look(t, Settings{NameServers: []string{address}})
	want := address + " truncated (over UDP, and TCP failed: silent); 0 of 1 visible"
	if took := time.Since(begun); verdict.String() != want || took > 2*askLimit {
		t.Errorf("after %s: %s", took, verdict)
	}
}

// fault 32
func TestAStaleServerIsNamed(t *testing.T) {
	fresh := serve(t, "127.0.0.1", "0", zoneWith(2026112302, txt(testName, testValue)))
	stale := serve(t, "127.0.0.2", "0", zoneWith(2026112301))
	verdict := look(t, Settings{NameServers: []string{fresh, stale}})
	want := stale + " stale (serial 2026112301, others have 2026112302); 1 of 2 visible"
	if verdict.Visible || verdict.String() != want {
		t.Errorf("got  %s\nwant %s", verdict, want)
	}
}

func TestAServerWithTheSameSerialIsNotStale(t *testing.T) {
	fresh := serve(t, "127.0.0.1", "0", published())
	behind := serve(t, "127.0.0.2", "0", zoneWith(2, txt(testName, "other")))
	verdict := look(t, Settings{NameServers: []string{fresh, behind}})
	if got := verdict.Servers[1].State; verdict.Visible || got != stateNotYet {
		t.Errorf("state is %q: %s", got, verdict)
	}
}

// fault 38
func TestSlowServersAreAskedSideBySide(t *testing.T) {
	t.Parallel()
	var addresses []string
	for range 4 {
		addresses = append(addresses, serve(t, "127.0.0.1", "0", after(800*time.Millisecond, published())))
	}
	addresses = append(addresses, serve(t, "127.0.0.1", "0", inTurn(after(2*time.Second, published()), published())))
	begun := time.Now()
	verdict := look(t, Settings{NameServers: addresses})
	if took := time.Since(begun); !verdict.Visible || took > 4*time.Second {
		t.Errorf("took %s: %s", took, verdict)
	}
}

func TestServersThatAgreeAreSeenWithin50Milliseconds(t *testing.T) {
	var addresses []string
	for range 4 {
		addresses = append(addresses, serve(t, "127.0.0.1", "0", published()))
	}
	prover := NewProver(Settings{NameServers: addresses})
	fastest := time.Hour
	for try := 0; try < 100 && fastest > 50*time.Millisecond; try++ { // another test may hold the machine
		begun := time.Now()
		if verdict, err := prover.Look(t.Context(), question()); err != nil || !verdict.Visible {
			t.Fatal(verdict, err)
		}
		fastest = min(fastest, time.Since(begun))
	}
	if fastest < confirmAfter || fastest > 50*time.Millisecond {
		t.Errorf("took %s", fastest)
	}
}

func TestAQuorumIsEnoughWithoutBeingAll(t *testing.T) {
	t.Parallel()
	shows, lacks := published(), zoneWith(1)
	tests := []struct {
		name, quorum  string
		second        reply // the one of four that differs
		enough, shown bool
		leftOut       string
	}{
		{"a silent server is left out", "75%", nil, true, false, "silent"},
		{"a stale server is left out", "75%", lacks, true, false, "stale (serial 1, others have 2)"},
		{"one that loses the record is left out", "75%", inTurn(shows, lacks), true, false, "flapping (not yet at the second look)"},
		{"a share that is not reached", "76%", lacks, false, false, ""},
		{"all are all", "all", lacks, false, false, ""},
		{"all show it", "all", shows, true, true, ""},
		{"all show it, and fewer would do", "50%", shows, true, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			quorum, err := ParseQuorum(test.quorum)
			if err != nil {
				t.Fatal(err)
			}
			addresses := []string{serve(t, "127.0.0.1", "0", shows), silent(t)}
			if test.second != nil {
				addresses[1] = serve(t, "127.0.0.1", "0", test.second)
			}
			addresses = append(addresses, serve(t, "127.0.0.1", "0", shows), serve(t, "127.0.0.1", "0", shows))
			verdict := look(t, Settings{NameServers: addresses, Quorum: quorum})
			if verdict.Enough != test.enough || verdict.Visible != test.shown {
				t.Errorf("enough %t, visible %t: %s", verdict.Enough, verdict.Visible, verdict)
			}
			var leftOut []string
			for _, server := range verdict.LeftOut() {
				leftOut = append(leftOut, strings.TrimPrefix(server.String(), addresses[1]+" "))
			}
			if got := strings.Join(leftOut, ", "); got != test.leftOut {
				t.Errorf("left out: %q, want %q", got, test.leftOut)
			}
		})
	}
}

// fault 45
func TestAnAddressWithoutARouteDoesNotCount(t *testing.T) {
	verdict := Verdict{Servers: []ServerVerdict{
		{Name: "ns1.example.com", Address: "127.0.0.1:53", State: stateVisible},
		{Name: "ns2.example.com", Address: "[2001:db8::1]:53", State: stateNoRoute},
	}}
	if visible, total := verdict.count(); visible != 1 || total != 1 {
		t.Errorf("%d of %d visible", visible, total)
	}
	if verdict.Enough = true; !verdict.unanimous() || len(verdict.LeftOut()) > 0 {
		t.Errorf("%v are left out", verdict.LeftOut())
	}
	if verdict.Servers = verdict.Servers[1:]; verdict.unanimous() {
		t.Error("visible at no address at all")
	}
	if want := "ns2.example.com ([2001:db8::1]:53) no route; 0 of 0 visible"; verdict.String() != want {
		t.Errorf("got %s", verdict)
	}
}

func TestALookThatIsCutShortIsNoVerdict(t *testing.T) {
	tests := []struct {
		name  string
		limit func(context.Context) (context.Context, context.CancelFunc)
		want  error
	}{
		{"it is cancelled", context.WithCancel, context.Canceled},
		{"its time is up", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, context.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := test.limit(t.Context())
			address := servePackets(t, func(*dns.Msg) []byte {
				if test.want == context.Canceled {
					cancel()
				}
				return nil
			})
			begun := time.Now()
			verdict, err := NewProver(Settings{NameServers: []string{address}}).Look(ctx, question())
			cancel()
			if took := time.Since(begun); !errors.Is(err, test.want) || len(verdict.Servers) > 0 || took > askLimit-time.Second/2 {
				t.Errorf("ended after %s with %v: %s", took, err, verdict)
			}
		})
	}
}

// fault 41
func TestACNAMEIsFollowedWhereItIsDelegated(t *testing.T) {
	const target = "_ours.acme.example.net"
	chain := zoneWith(1, testName+" 60 CNAME "+target+".", txt(target, testValue))
	loop := zoneWith(1, testName+" 60 CNAME "+target+".", target+" 60 CNAME "+testName+".")
	tests := []struct {
		name     string
		answer   reply
		delegate []string
		visible  bool
		at       string
		says     string
	}{
		{"into a zone that is delegated", chain, []string{"Acme.example.net."}, true, target, "1 of 1 visible"},
		{"into any other it is reported", chain, []string{"example.org", "le.net"}, false, testName, "CNAME to " + target},
		{"a loop ends", loop, []string{"example.net", "example.com"}, false, target, "the CNAMEs end nowhere"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", "0", test.answer)
			verdict := look(t, Settings{NameServers: []string{address}, Delegate: test.delegate})
			if verdict.Visible != test.visible || verdict.Name != test.at || !strings.Contains(verdict.String(), test.says) {
				t.Errorf("visible %t at %s: %s", verdict.Visible, verdict.Name, verdict)
			}
		})
	}
}

func TestACNAMEThatNotEveryServerHasIsNotFollowed(t *testing.T) {
	const target = "_ours.acme.example.net"
	with := serve(t, "127.0.0.1", "0", zoneWith(1, testName+" 60 CNAME "+target+".", txt(target, testValue)))
	without := serve(t, "127.0.0.2", "0", zoneWith(1, txt(target, testValue)))
	verdict := look(t, Settings{NameServers: []string{with, without}, Delegate: []string{"example.net"}})
	if verdict.Visible || verdict.Name != testName {
		t.Errorf("followed to %s: %s", verdict.Name, verdict)
	}
}

func TestTheIntervalGrowsFromATwentiethOfASecondToTen(t *testing.T) {
	prover := NewProver(Settings{})
	var intervals []time.Duration
	for looks := range 20 {
		intervals = append(intervals, prover.Interval(looks))
	}
	if !slices.IsSorted(intervals) || intervals[0] != firstInterval || intervals[19] != lastInterval {
		t.Error(intervals)
	}
}
