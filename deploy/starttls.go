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

// preludes bring a fresh connection to where TLS begins, by the scheme of a
// probe.
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

// exchange is one turn of a dialogue in lines: what is sent, what the lines of
// the answer that are not its last begin with, and what the last one does.
type exchange struct{ send, more, want string }

type dialogue []exchange

// mostLines bounds an answer; its lines are no longer than a bufio.Reader's
// buffer.
const mostLines = 100

// hold says all of the dialogue. What a server sends beyond it is thrown away:
// nothing that came unprotected counts after TLS began.
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

// askPostgres sends the SSLRequest of PostgreSQL's protocol, which is answered
// by one byte.
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

// shortened cuts text of others to what an error has room for.
func shortened(text string) string {
	const enough = 200
	return text[:min(len(text), enough)]
}
