package deploy_test

import (
	"bufio"
	"crypto/tls"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

// speak serves on loopback by what it does with each connection.
func speak(t *testing.T, do func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				do(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return listener.Addr().String()
}

// talk is a server's part of a protocol: what it says first, and what it
// answers to a line.
type talk struct {
	greeting string
	answers  map[string]string
}

func (s talk) hold(conn net.Conn, starts string, config *tls.Config) {
	if _, err := conn.Write([]byte(s.greeting)); err != nil {
		return
	}
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "EHLO ") && s.answers[line] == "" {
			line = "EHLO"
		}
		if _, err := conn.Write([]byte(s.answers[line])); err != nil {
			return
		}
		if line == starts {
			_ = tls.Server(conn, config).Handshake() // the client's side is looked at
			return
		}
	}
}

func TestProbeSpeaksSTARTTLS(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	config := &tls.Config{Certificates: []tls.Certificate{*pairOf(t, b)}}
	for _, test := range []struct {
		name, scheme, starts string
		talk                 talk
		err                  string
	}{
		{"smtp", "smtp", "STARTTLS", talk{"220-mail.example.com\r\n220 ESMTP\r\n", map[string]string{
			"EHLO": "250-mail.example.com\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "STARTTLS": "220 2.0.0 Ready\r\n"}}, ""},
		{"imap", "imap", "a STARTTLS", talk{"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", map[string]string{
			"a STARTTLS": "* BYE not really\r\na OK Begin\r\n"}}, ""},
		{"pop3", "pop3", "STLS", talk{"+OK ready\r\n", map[string]string{"STLS": "+OK Begin\r\n"}}, ""},
		{"a mail server without TLS", "smtp", "", talk{"220 ESMTP\r\n", map[string]string{
			"EHLO": "250 mail.example.com\r\n", "STARTTLS": "502 5.5.1 \x1b[31mnot implemented\r\n"}},
			`the server answers "502 5.5.1 \x1b[31mnot implemented"`}, // fault 76
		{"a server that turns guests away", "smtp", "", talk{"554 no\r\n", nil}, `the server answers "554 no"`},
		{"another protocol", "imap", "", talk{"220 ESMTP\r\n", nil}, `the server answers "220 ESMTP"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := test.scheme + "://" + speak(t, func(conn net.Conn) { test.talk.hold(conn, test.starts, config) })
			got := deploy.Probe(t.Context(), address, "example.com", nil)
			checkError(t, got.Err, test.err)
			if shows(got, b) != (test.err == "") || !got.Connected || got.Address != address {
				t.Errorf("%+v", got)
			}
		})
	}
}

// fault 151
func TestAMailServerThatIsStrictWithStrangersIsProbed(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	config := &tls.Config{Certificates: []tls.Certificate{*pairOf(t, b)}}
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	ready := map[string]string{"STARTTLS": "220 Ready\r\n"}
	for _, test := range []struct {
		name        string
		takes, with string // the name that is taken, and what is said to others
		err         string
	}{
		{"an address alone is taken", "[127.0.0.1]", "550 who are you\r\n", ""},
		{"and the refusal has several lines", "[127.0.0.1]", "504-need a name\r\n504 that is yours\r\n", ""},
		{"the host's name alone is taken", own, "501 no address\r\n", ""},
		{"nothing is taken", "", "550-go\r\n550 away\r\n", `the server answers "550-go"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := maps.Clone(ready)
			answers["EHLO"], answers["EHLO "+test.takes] = test.with, "250-mx\r\n250 STARTTLS\r\n"
			address := "smtp://" + speak(t, func(conn net.Conn) { talk{"220 mx\r\n", answers}.hold(conn, "STARTTLS", config) })
			got := deploy.Probe(t.Context(), address, "example.com", nil)
			checkError(t, got.Err, test.err)
			if shows(got, b) != (test.err == "") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestProbeAsksPostgresForTLS(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	for answer, want := range map[string]string{"S": "", "N": `the server answers "N": it has no TLS`} {
		address := speak(t, func(conn net.Conn) {
			request := make([]byte, 8)
			if n, _ := conn.Read(request); string(request[:n]) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
				return
			}
			_, _ = conn.Write([]byte(answer)) // the client's side is looked at
			_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*pairOf(t, b)}}).Handshake()
		})
		got := deploy.Probe(t.Context(), "postgres://"+address, "example.com", nil)
		checkError(t, got.Err, want)
		if shows(got, b) != (want == "") {
			t.Errorf("%q: %+v", answer, got)
		}
	}
}

// What a hostile server sends without end is neither kept nor waited for.
func TestProbeEndsWithAServerThatDoesNot(t *testing.T) {
	for _, test := range []struct{ name, scheme, first, then, err string }{
		{"a greeting of endless lines", "smtp://", "", "220-hello\r\n", "the server's answer does not end"},
		{"an endless line", "smtp://", "220-", strings.Repeat("x", 1000), "the server's line does not end"},
		{"endless records of TLS", "", "", "\x16\x03\x03\x40\x00" + strings.Repeat("\x00\x00\x00\x00", 0x1000), "handshake with"},
		{"endless alerts", "", "", strings.Repeat("\x15\x03\x03\x00\x02\x01\x5a", 1000), "handshake with"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := speak(t, func(conn net.Conn) {
				_, err := conn.Write([]byte(test.first))
				for err == nil {
					_, err = conn.Write([]byte(test.then))
				}
			})
			start := time.Now()
			got := deploy.Probe(t.Context(), test.scheme+address, "example.com", nil)
			if got.Err == nil || !strings.Contains(got.Err.Error(), test.err) || time.Since(start) > 3*time.Second {
				t.Errorf("after %s: %v", time.Since(start), got.Err)
			}
		})
	}
}

func TestCheckProbe(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:443":         "",
		"localhost:https":       "",
		"smtp://[::1]:25":       "",
		"postgres://db:5432":    "",
		"https://127.0.0.1:443": `"https://127.0.0.1:443" begins with none of imap://, pop3://, postgres://, proxy://, smtp://, or proxy+ and one of these`,
		"proxy://127.0.0.1:443": "",
		"proxy+smtp://mx:25":    "",
		"smtp+proxy://mx:25":    "begins with none of",
		"proxy+proxy://mx:25":   "begins with none of",
		"proxy+://mx:25":        "begins with none of",
		"://mx:25":              "begins with none of",
		"127.0.0.1":             "is not host:port",
		":443":                  "is not host:port",
		"imap://127.0.0.1":      "is not host:port",
		"127.0.0.1:port":        "has no valid port",
	} {
		checkError(t, deploy.CheckProbe(text), want)
	}
}
