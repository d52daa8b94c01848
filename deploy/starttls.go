package deploy

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
)

// preludes, by the scheme of a probe, bring a new connection to the point where
// TLS begins.
var preludes = map[string]func(net.Conn) error{
	"imap":     dialogue{{want: "* OK"}, {send: []string{"a STARTTLS"}, more: "* ", want: "a OK"}}.hold,
	"pop3":     dialogue{{want: "+OK"}, {send: []string{"STLS"}, want: "+OK"}}.hold,
	"postgres": askPostgres,
	"smtp":     askMail,
}

func schemes() []string {
	all := []string{"proxy://"}
	for scheme := range preludes {
		all = append(all, scheme+"://")
	}
	slices.Sort(all)
	return all
}

// exchange is one turn of a dialogue: the line to send, or others where it is
// refused; the beginning of each line of the answer but the last, and that of the
// last. With nothing to send the server begins.
type exchange struct {
	send       []string
	more, want string
}

type dialogue []exchange

// mostLines bounds an answer; a bufio.Reader's buffer bounds each line.
const mostLines = 100

// hold holds the dialogue. What the server sends beyond it is thrown away:
// nothing that came unprotected may count once TLS has begun.
func (d dialogue) hold(conn net.Conn) error {
	lines := bufio.NewReader(conn)
	for _, turn := range d {
		if err := turn.take(conn, lines); err != nil {
			return err
		}
	}
	return nil
}

// take returns the first refusal where each line that it has to send is refused.
func (e exchange) take(conn net.Conn, lines *bufio.Reader) error {
	if len(e.send) == 0 {
		return e.hear(lines)
	}
	var first error
	for _, text := range e.send {
		if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
			return cmp.Or(first, err)
		}
		err := e.hear(lines)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
		if !errors.As(err, new(refusal)) {
			break
		}
	}
	return first
}

// refusal is the first line of an answer that is not the one that is wanted.
type refusal string

func (r refusal) Error() string { return fmt.Sprintf("the server answers %q", shortened(string(r))) }

func (e exchange) hear(lines *bufio.Reader) error {
	var refused refusal
	for range mostLines {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return errors.New("the server's line does not end")
		}
		if err != nil {
			return fmt.Errorf("read the server's answer: %w", err)
		}
		switch answer := string(line); {
		case refused == "" && e.more != "" && strings.HasPrefix(answer, e.more):
		case refused == "" && strings.HasPrefix(answer, e.want):
			return nil
		default:
			refused = cmp.Or(refused, refusal(strings.TrimSpace(answer)))
			if !strings.HasSuffix(e.more, "-") || len(answer) < 4 || answer[3] != '-' {
				return refused
			}
		}
	}
	return errors.New("the server's answer does not end")
}

// askMail introduces itself by a name with a domain, where this host has one, and
// by its address where such a name is refused, as servers want it that are strict
// with strangers.
func askMail(conn net.Conn) error {
	var hellos []string
	for _, name := range ownNames(conn.LocalAddr()) {
		hellos = append(hellos, "EHLO "+name)
	}
	return dialogue{{more: "220-", want: "220"}, {send: hellos, more: "250-", want: "250"},
		{send: []string{"STARTTLS"}, more: "220-", want: "220"}}.hold(conn)
}

func ownNames(local net.Addr) []string {
	address := endpoint(local).Addr()
	literal := "[" + address.String() + "]"
	if address.Is6() {
		literal = "[IPv6:" + address.String() + "]"
	}
	host, err := os.Hostname()
	switch {
	case err != nil || host == "":
		return []string{literal}
	case strings.Contains(host, "."):
		return []string{host, literal}
	}
	return []string{literal, host}
}

// askPostgres sends the SSLRequest of PostgreSQL's protocol. The answer is one
// byte.
func askPostgres(conn net.Conn) error {
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if answer[0] != 'S' {
		return fmt.Errorf("the server answers %q: it has no TLS", answer)
	}
	return nil
}

// shortened cuts a server's text to a length that fits into an error.
func shortened(text string) string {
	const enough = 200
	return text[:min(len(text), enough)]
}
