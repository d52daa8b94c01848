package dnsvalidate

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// faults 35 and 45
func TestANetworkErrorIsPutIntoAVerdictsWords(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want State
	}{
		{"a closed port", syscall.ECONNREFUSED, Silent},
		{"no route", syscall.ENETUNREACH, NoRoute},
		{"no address of the family", syscall.EADDRNOTAVAIL, NoRoute},
		{"no IPv6 at all", syscall.EAFNOSUPPORT, NoRoute},
		{"a timeout", os.ErrDeadlineExceeded, Silent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wrapped := &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("connect", test.err)}
			if got := dialed(wrapped).state; got != test.want {
				t.Errorf("became %q", got)
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
	answer, err := ask(t.Context(), conn.LocalAddr().String(), question(testName, dns.TypeTXT, false))
	if err != nil || len(answer.Answer) != 1 {
		t.Errorf("%v, %v", answer, err)
	}
}

// fault 43
func FuzzPacket(f *testing.F) {
	query := question(testName, dns.TypeTXT, false)
	query.Id = 4711
	for _, answer := range []reply{published(), zoneWith(1), withCode(dns.RcodeRefused), knows(ns1), refers(ns1, aOfNS1)} {
		packet, err := answer(query).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
		f.Add(packet[:len(packet)/2])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		answer, err := parse(query, packet)
		if err != nil {
			return
		}
		if answer.Id != query.Id || !answer.Response {
			t.Errorf("took %v for the answer", answer)
		}
		verdict := judge(answer, testName, testValue)
		if verdict.State == Visible && (!answer.Authoritative || answer.Rcode == dns.RcodeRefused) {
			t.Errorf("visible by %v", answer)
		}
		for _, text := range []string{verdict.String(), judgeResolver(answer, testName, testValue).String()} {
			for _, b := range []byte(text) {
				if b < ' ' || b > '~' {
					t.Errorf("control characters in %q", text)
				}
			}
		}
		nsIn(answer, testZone)
		soaOwner(answer)
	})
}
