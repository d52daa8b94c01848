package dnsvalidate

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	testZone  = "example.com"
	testName  = "_dnsauth.example.com"
	testValue = "202611230000003k2x1r"
)

// question is for the record that the tests publish.
func question() Question { return Question{Zone: testZone, Name: testName, Value: testValue} }

// reply is how a test server answers a query; nil means not at all.
type reply func(query *dns.Msg) *dns.Msg

// serve answers over UDP and TCP at one port of ip until the test ends. port
// "0" means a free one.
func serve(t testing.TB, ip, port string, answer reply) string {
	t.Helper()
	return serveHandler(t, ip, port, func(w dns.ResponseWriter, query *dns.Msg) {
		if response := answer(query); response != nil {
			_ = w.WriteMsg(response)
		}
	})
}

// serveTruncated answers whole over TCP alone.
func serveTruncated(t testing.TB, answer reply) string {
	t.Helper()
	return serveHandler(t, "127.0.0.1", "0", func(w dns.ResponseWriter, query *dns.Msg) {
		response := answer(query)
		if w.LocalAddr().Network() == "udp" {
			response.Truncated, response.Answer = true, nil
		}
		_ = w.WriteMsg(response)
	})
}

func serveHandler(t testing.TB, ip, port string, handler dns.HandlerFunc) string {
	t.Helper()
	packets, listener := bind(t, ip, port)
	for _, server := range []*dns.Server{
		{PacketConn: packets, Handler: handler},
		{Listener: listener, Handler: handler},
	} {
		done := make(chan struct{})
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(done); _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown(); <-done })
	}
	return packets.LocalAddr().String()
}

// bind finds a port that is free for both protocols, and below those that the
// system gives to outgoing connections: another address may want it too.
func bind(t testing.TB, ip, port string) (net.PacketConn, net.Listener) {
	t.Helper()
	wanted := port
	for range 50 {
		if wanted == "0" {
			port = strconv.Itoa(20000 + rand.IntN(12000))
		}
		packets, err := net.ListenPacket("udp", net.JoinHostPort(ip, port))
		if err != nil {
			continue
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		packets.Close()
	}
	t.Fatalf("no port of %s is free for UDP and TCP", ip)
	return nil, nil
}

// servePackets answers each datagram with the bytes that answer returns, nil
// meaning not at all; nothing listens on TCP.
func servePackets(t testing.TB, answer func(query *dns.Msg) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			query := new(dns.Msg)
			if query.Unpack(buffer[:n]) != nil {
				continue
			}
			if packet := answer(query); packet != nil {
				_, _ = conn.WriteTo(packet, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// silent is an address that takes packets and never answers.
func silent(t testing.TB) string {
	return servePackets(t, func(*dns.Msg) []byte { return nil })
}

// zoneWith answers with authority for the zone: its SOA with the serial, and
// those of the records (in zone file syntax) that the question fits.
func zoneWith(serial uint32, records ...string) reply {
	return zoneOf(testZone, serial, records...)
}

// zoneOf is zoneWith for another zone.
func zoneOf(zone string, serial uint32, records ...string) reply {
	parsed := parseRecords(records)
	soa := record(fmt.Sprintf("%s 600 SOA ns1.%s hostmaster.%s %d 3600 600 86400 600", zone, zone, zone, serial))
	return func(query *dns.Msg) *dns.Msg {
		response := new(dns.Msg).SetReply(query)
		response.Authoritative = true
		asked := query.Question[0]
		for _, rr := range append(slices.Clip(parsed), soa) {
			kind := rr.Header().Rrtype
			if rr.Header().Name == asked.Name && (kind == asked.Qtype || kind == dns.TypeCNAME) {
				response.Answer = append(response.Answer, dns.Copy(rr)) // packing writes to it
			}
		}
		if len(response.Answer) == 0 {
			response.Rcode, response.Ns = dns.RcodeNameError, []dns.RR{dns.Copy(soa)}
		}
		return response
	}
}

func parseRecords(lines []string) []dns.RR {
	var records []dns.RR
	for _, line := range lines {
		records = append(records, record(line))
	}
	return records
}

func record(line string) dns.RR {
	rr, err := dns.NewRR(line)
	if err != nil {
		panic(err)
	}
	return rr
}

func txt(name, value string) string { return fmt.Sprintf("%s 600 TXT %q", name, value) }

// published is the zone as it should be.
func published() reply { return zoneWith(2, txt(testName, testValue)) }

// changed is r with its answer changed.
func changed(r reply, change func(response *dns.Msg)) reply {
	return func(query *dns.Msg) *dns.Msg {
		response := r(query)
		change(response)
		return response
	}
}

func withCode(code int) reply {
	return func(query *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(query, code) }
}

// after answers as r does, late.
func after(delay time.Duration, r reply) reply {
	return func(query *dns.Msg) *dns.Msg {
		time.Sleep(delay) // a slow server, not a wait for something to happen
		return r(query)
	}
}

// inTurn answers the TXT question as each of replies in turn, then as the last.
func inTurn(replies ...reply) reply {
	var asked atomic.Int32
	return func(query *dns.Msg) *dns.Msg {
		turn := int(asked.Add(1)) - 1
		return replies[min(turn, len(replies)-1)](query)
	}
}

// withoutEDNS answers a query with EDNS0 with code, any other as it should be.
func withoutEDNS(code int) reply {
	return func(query *dns.Msg) *dns.Msg {
		if query.IsEdns0() == nil {
			return published()(query)
		}
		return new(dns.Msg).SetRcode(query, code).SetEdns0(udpSize, false)
	}
}
