package dnsvalidate

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// faults 35 and 45
func TestANetworkErrorIsPutIntoAVerdictsWords(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"a closed port", syscall.ECONNREFUSED, "silent (port closed)"},
		{"no route", syscall.ENETUNREACH, "no route (this host cannot reach the address)"},
		{"no address of the family", syscall.EADDRNOTAVAIL, "no route (this host cannot reach the address)"},
		{"no IPv6 at all", syscall.EAFNOSUPPORT, "no route (this host cannot reach the address)"},
		{"a firewall of this host", syscall.EPERM, "silent (operation not permitted)"},
		{"no descriptor left", syscall.EMFILE, "silent (too many open files)"},
		{"a timeout", os.ErrDeadlineExceeded, "silent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wrapped := &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("connect", test.err)}
			if got := dialed(wrapped).Error(); got != test.want {
				t.Errorf("became %q", got)
			}
			if got := broken(wrapped); got.state != stateSilent {
				t.Errorf("became %v after the connection was made", got)
			}
		})
	}
}

// A datagram that is not the answer must not keep the answer from being heard.
// fault 43
func TestTheAnswerIsHeardAmongForgedOnes(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buffer := make([]byte, 4096)
		n, from, err := conn.ReadFrom(buffer)
		query := new(dns.Msg)
		if err != nil || query.Unpack(buffer[:n]) != nil {
			return
		}
		forged, honest := zoneWith(1)(query), published()(query)
		forged.Id++
		for _, response := range []*dns.Msg{forged, forged, forged, honest} {
			packet, _ := response.Pack()
			_, _ = conn.WriteTo(packet, from)
		}
	}()
	answer, err := ask(t.Context(), conn.LocalAddr().String(), newQuery(testName, dns.TypeTXT, false))
	if err != nil || len(answer.Answer) != 1 {
		t.Errorf("%v, %v", answer, err)
	}
}

// fault 43
func TestAFloodOfForgedAnswersEnds(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			buffer[0]++ // the id
			for range 10 * maxDatagrams {
				_, _ = conn.WriteTo(buffer[:n], from)
			}
		}
	}()
	begun := time.Now()
	answer, err := ask(t.Context(), conn.LocalAddr().String(), newQuery(testName, dns.TypeTXT, false))
	if took := time.Since(begun); took > askLimit-time.Second/2 || inWords(err).State != stateMalformed {
		t.Errorf("after %s: %v, %v", took, answer, err)
	}
}

// longestText is that of a referral: two names of 255 bytes, each one as \DDD.
const longestText = 2*4*255 + 100

// fault 43
func FuzzPacket(f *testing.F) {
	query := newQuery(testName, dns.TypeTXT, false)
	query.Id = 4711
	for _, answer := range []reply{published(), pointed(), zoneWith(1), withCode(dns.RcodeRefused), knows(ns1), refers(ns1, aOfNS1)} {
		packet, err := answer(query).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
		f.Add(packet[:len(packet)/2])
	}
	f.Add([]byte("\x12\x67\x86\x00")) // truncated even in its head
	f.Fuzz(func(t *testing.T, packet []byte) {
		answer, err := parse(query, packet)
		if err != nil {
			return
		}
		if answer.Truncated {
			return // and TCP is asked, where it is no answer
		}
		if answer.Id != query.Id || !answer.Response {
			t.Errorf("took %v for the answer", answer)
		}
		for _, q := range []Question{question().normal(), cnameQuestion().normal()} {
			checkWords(t, q, answer)
		}
		nsIn(answer, testZone)
		soaIn(answer)
	})
}

// checkWords sees to it that what is said of an answer is fit for a line.
func checkWords(t *testing.T, q Question, answer *dns.Msg) {
	t.Helper()
	verdict := judge(answer, q)
	if verdict.State == stateVisible && (!answer.Authoritative || answer.Rcode == dns.RcodeRefused) {
		t.Errorf("visible by %v", answer)
	}
	for _, text := range []string{verdict.String(), judgeResolver(answer, q).String()} {
		if len(text) > longestText {
			t.Errorf("a verdict of %d bytes", len(text))
		}
		for _, b := range []byte(text) {
			if b < ' ' || b > '~' {
				t.Errorf("control characters in %q", text)
			}
		}
	}
}
