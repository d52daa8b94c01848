package dnsvalidate

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"dvagent/internal/network"
)

const (
	// askLimit bounds one question to one address, over UDP and TCP together;
	// a server that takes two seconds is still heard.
	askLimit     = 3 * time.Second
	resendAfter  = time.Second // one datagram may be lost
	maxDatagrams = 64          // read for one question: a flood ends
	udpSize      = 1232        // offered by EDNS0; larger answers are fragmented on their way
)

// noAnswer is why a question brought no usable answer, in a verdict's words.
type noAnswer struct {
	state  State
	detail string
}

func (n *noAnswer) Error() string { return join(string(n.state), n.detail) }

func newQuery(name string, qtype uint16, recursive bool) *dns.Msg {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	query.RecursionDesired = recursive
	return query.SetEdns0(udpSize, false)
}

// ask puts one question to one address (host:port), and once more without EDNS0
// if the server does not know that. The error is a *noAnswer, or that of ctx once
// ctx has ended: then the silence says nothing about the server.
func ask(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer, err := exchange(limited, address, query)
	if err == nil && refusesEDNS(answer) {
		plain := query.Copy()
		plain.Id, plain.Extra = dns.Id(), nil
		answer, err = exchange(limited, address, plain)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return answer, err
}

func refusesEDNS(answer *dns.Msg) bool {
	return slices.Contains([]int{dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeBadVers}, answer.Rcode)
}

// exchange asks over UDP, and over TCP when the answer was truncated.
func exchange(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	answer, err := overUDP(ctx, address, query)
	if err != nil || !answer.Truncated {
		return answer, err
	}
	if answer, err = overTCP(ctx, address, query); err != nil {
		return nil, &noAnswer{stateTruncated, "over UDP, and TCP failed: " + err.Error()}
	}
	return answer, nil
}

func overUDP(ctx context.Context, address string, query *dns.Msg) (answer *dns.Msg, err error) {
	defer note(ctx, "UDP", address, query)(&answer, &err)
	packet, err := query.Pack()
	if err != nil {
		return nil, &noAnswer{stateFailed, "the name cannot be asked for"}
	}
	conn, err := dial(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	var heard error = &noAnswer{state: stateSilent}
	for _, patience := range []time.Duration{resendAfter, askLimit} {
		if _, err := conn.Write(packet); err != nil {
			return nil, broken(err)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		answer, err := listen(conn, query)
		if err == nil {
			return answer, nil
		}
		if reason := broken(err); reason.detail != "" {
			heard = reason
		}
	}
	return nil, heard
}

// listen reads datagrams until one answers query. Others are skipped, for they
// may be forged or late; the last of them is the error when no answer comes.
func listen(conn net.Conn, query *dns.Msg) (*dns.Msg, error) {
	var skipped error
	buffer := make([]byte, dns.MaxMsgSize)
	for range maxDatagrams {
		n, err := conn.Read(buffer)
		if err != nil {
			if skipped != nil {
				return nil, skipped
			}
			return nil, err
		}
		answer, err := parse(query, buffer[:n])
		if err == nil {
			return answer, nil
		}
		skipped = err
	}
	return nil, skipped
}

func overTCP(ctx context.Context, address string, query *dns.Msg) (answer *dns.Msg, err error) {
	defer note(ctx, "TCP", address, query)(&answer, &err)
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	wire := dns.Conn{Conn: conn}
	if err := wire.WriteMsg(query); err != nil {
		return nil, broken(err)
	}
	packet, err := wire.ReadMsgHeader(nil)
	if err != nil {
		return nil, broken(err)
	}
	answer, err = parse(query, packet)
	if err == nil && answer.Truncated {
		return nil, &noAnswer{state: stateTruncated}
	}
	return answer, err
}

// parse reads a packet as the answer to query, or returns why it is none.
func parse(query *dns.Msg, packet []byte) (*dns.Msg, error) {
	answer := new(dns.Msg)
	err := answer.Unpack(packet)
	cut := answer.Truncated && len(packet) >= 12 // what was cut off cannot be read
	switch {
	case err != nil && !cut:
		return nil, &noAnswer{stateMalformed, "the packet cannot be read"}
	case !answer.Response:
		return nil, &noAnswer{stateMalformed, "not an answer"}
	case answer.Id != query.Id:
		return nil, &noAnswer{stateMalformed, "wrong id"}
	case !cut && !sameQuestion(query, answer):
		return nil, &noAnswer{stateMalformed, "answers another question"}
	}
	return answer, nil
}

// sameQuestion lets a refusal leave the question out, as many servers do.
func sameQuestion(query, answer *dns.Msg) bool {
	if len(answer.Question) == 0 {
		return answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError
	}
	asked, got := query.Question[0], answer.Question[0]
	return len(answer.Question) == 1 && got.Qtype == asked.Qtype && got.Qclass == asked.Qclass &&
		canonical(got.Name) == canonical(asked.Name)
}

func dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	conn, err := network.Of(ctx, new(net.Dialer)).DialContext(ctx, protocol, address)
	if err != nil {
		return nil, dialed(err)
	}
	return conn, nil
}

// dialed puts an error of dialing into a verdict's words. It alone can say that
// there is no route: a later error of that kind is a router's, not this host's.
func dialed(err error) *noAnswer {
	for _, local := range []error{syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, local) {
			return &noAnswer{stateNoRoute, "this host cannot reach the address"}
		}
	}
	return broken(err)
}

// broken puts any other network error into words; *noAnswer stays itself.
func broken(err error) *noAnswer {
	if reason, ok := errors.AsType[*noAnswer](err); ok {
		return reason
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &noAnswer{stateSilent, "port closed"}
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return &noAnswer{stateSilent, number.Error()}
	}
	return &noAnswer{state: stateSilent}
}
