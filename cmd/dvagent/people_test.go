package main

import (
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"dvagent/notify/notifytest"
)

// people are those that the dvagent of a story notifies: in a chat, whose robot
// is at $ROBOT, and by e-mail, with a server at $SMTP.
type people struct {
	robot *httptest.Server
	mail  notifytest.Sink
	heard lines
}

// people makes them listen; people away makes them leave.
func (s *stage) people(ts *testscript.TestScript, args []string) {
	if len(args) > 0 {
		s.audience.leave()
		return
	}
	p := &people{mail: notifytest.Sink{Password: canary}}
	s.audience = p
	p.robot = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Text struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(&p.heard, "chat: "+message.Text.Content)
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	ts.Check(p.mail.Start())
	go func() {
		for letter := range p.mail.Letters {
			text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(letter)))
			fmt.Fprintf(&p.heard, "mail: %s\n", text)
		}
	}()
	ts.Setenv("ROBOT", p.robot.Listener.Addr().String())
	ts.Setenv("SMTP", p.mail.Address)
}

func (p *people) leave() {
	if p != nil {
		p.robot.Close()
		p.mail.Close()
	}
}

// hear N PATTERN waits until they have heard that N times, and not more often.
func (s *stage) hear(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern := regexp.MustCompile("(?m)" + args[1])
	count := func() int { return len(pattern.FindAllString(s.audience.heard.String(), -1)) }
	eventually(func() bool { return count() >= want })
	if n := count(); n != want {
		ts.Fatalf("%q was heard %d times, not %d:\n%s", args[1], n, want, s.audience.heard.String())
	}
}
