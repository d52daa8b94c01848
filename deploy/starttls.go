package deploy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
)

// preludes, by the scheme of a probe, bring a new connection to the point where
// TLS begins.
var preludes = map[string]func(net.Conn) error{
	"imap":     dialogue{{want: "* OK"}, {send: "a STARTTLS", more: "* ", want: "a OK"}}.hold,
	"pop3":     dialogue{{want: "+OK"}, {send: "STLS", want: "+OK"}}.hold,
	"postgres": askPostgres,
	"smtp": dialogue{{more: "220-", want: "220"}, {send: "EHLO localhost", more: "250-", want: "250"},
		{send: "STARTTLS", more: "220-", want: "220"}}.hold,
}

func schemes() []string {
	var all []string
	for _, scheme := range slices.Sorted(maps.Keys(preludes)) {
		all = append(all, scheme+"://")
	}
	return all
}

// exchange is one turn of a dialogue: the line to send, the beginning of each
// line of the answer but the last, and that of the last.
type exchange struct{ send, more, want string }

type dialogue []exchange

// mostLines bounds an answer; a bufio.Reader's buffer bounds each line.
const mostLines = 100

// hold holds the dialogue. What the server sends beyond it is thrown away:
// nothing that came unprotected may count once TLS has begun.
func (d dialogue) hold(conn net.Conn) error {
	lines := bufio.NewReader(conn)
	for _, turn := range d {
		if turn.send != "" {
			if _, err := io.WriteString(conn, turn.send+"\r\n"); err != nil {
				return err
			}
		}
		if err := turn.hear(lines); err != nil {
			return err
		}
	}
	return nil
}

func (e exchange) hear(lines *bufio.Reader) error {
	for range mostLines {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return errors.New("the server's line does not end")
		}
		if err != nil {
			return fmt.Errorf("read the server's answer: %w", err)
		}
		switch answer := string(line); {
		case e.more != "" && strings.HasPrefix(answer, e.more):
		case strings.HasPrefix(answer, e.want):
			return nil
		default:
			return fmt.Errorf("the server answers %q", shortened(strings.TrimSpace(answer)))
		}
	}
	return errors.New("the server's answer does not end")
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
