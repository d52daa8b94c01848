// Package notifytest has a mail server on loopback, for tests.
package notifytest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
)

// Sink is a mail server that keeps what it is sent. Its fields are set before
// Start, and may be left empty.
type Sink struct {
	Password string      // wanted with the user "dvagent"
	Refuses  string      // answered to each recipient
	TLS      *tls.Config // for STARTTLS; nil: not offered
	HangsUp  bool        // once a letter is kept

	Address string      // host:port, once it is started
	Letters chan string // headers and text, as they came; holds a hundred
	Seen    chan string // commands; holds a thousand

	listener net.Listener
}

// Start begins to listen at a loopback port.
func (s *Sink) Start() (err error) {
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	s.Address = s.listener.Addr().String()
	s.Letters, s.Seen = make(chan string, 100), make(chan string, 1000)
	go func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return // closed
			}
			go s.talk(conn)
		}
	}()
	return nil
}

// Close lets nobody in any more.
func (s *Sink) Close() { s.listener.Close() }

func (s *Sink) talk(conn net.Conn) {
	defer conn.Close()
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 sink ESMTP")
	lines, offered := bufio.NewScanner(conn), false
	for lines.Scan() {
		command := lines.Text()
		s.Seen <- command
		switch verb := strings.ToUpper(strings.SplitN(command, " ", 2)[0]); {
		case verb == "STARTTLS":
			say("220 go on")
			encrypted := tls.Server(conn, s.TLS)
			conn, lines = encrypted, bufio.NewScanner(encrypted)
			offered = true
		case verb == "EHLO" && s.TLS != nil && !offered:
			say("250-sink\r\n250 STARTTLS")
		case verb == "EHLO" && s.Password != "":
			say("250-sink\r\n250 AUTH PLAIN")
		case verb == "AUTH":
			given, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(command, "AUTH PLAIN "))
			if string(given) != "\x00dvagent\x00"+s.Password {
				say("535 5.7.8 %s is wrong, and so is %q", given, command)
				continue
			}
			say("235 2.7.0 accepted")
		case verb == "RCPT" && s.Refuses != "":
			say("%s", s.Refuses)
		case verb == "DATA":
			say("354 go on")
			var letter strings.Builder
			for lines.Scan() && lines.Text() != "." {
				letter.WriteString(lines.Text() + "\r\n")
			}
			s.Letters <- letter.String()
			say("250 2.0.0 kept")
			if s.HangsUp {
				return
			}
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
