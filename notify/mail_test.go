package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"

	gomail "github.com/wneessen/go-mail"

	"dvagent/notify/notifytest"
)

func newSink(t *testing.T, s *notifytest.Sink) *notifytest.Sink {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func channelTo(s *notifytest.Sink) Channel {
	return Channel{Name: "mail", Kind: Email, Mail: Mail{Server: s.Address, From: "dvagent@example.com", To: []string{"ops@example.com"}}}
}

func TestALetterArrives(t *testing.T) {
	s := newSink(t, &notifytest.Sink{Password: canary})
	c := channelTo(s)
	c.Mail.Username, c.Mail.Password = "dvagent", literal(canary)
	m := twoFailed
	m.Notices = append(m.Notices, Notice{"bücher.example", "the CA said 不行\r\n.\r\nRCPT TO:<x@y>"})
	if err := Send(t.Context(), c, m); err != nil {
		t.Fatal(err)
	}
	letter, err := mail.ReadMessage(strings.NewReader(<-s.Letters))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
	if err != nil || subject != "dvagent on web1: failed: 3 subjects" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if to := letter.Header.Get("To"); to != "<ops@example.com>" {
		t.Errorf("to %q", to)
	}
	if date, err := letter.Header.Date(); err != nil || !date.Equal(m.At) || letter.Header.Get("Message-ID") == "" {
		t.Errorf("date %v, %v; header %v", date, err, letter.Header)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(letter.Body))
	if err != nil || !strings.Contains(string(text), "\nshop: the same") || !strings.Contains(string(text), "bücher.example: the CA said 不行  .  RCPT") {
		t.Errorf("text %q, %v", text, err)
	}
}

func TestALetterThatIsNotTakenIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sink     notifytest.Sink
		password string
		says     string
	}{
		{"an unknown recipient", notifytest.Sink{Refuses: "550 5.1.1 nobody here"}, "", "nobody here"},
		{"a wrong password, which is repeated", notifytest.Sink{Password: "other"}, canary, "535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t, &tt.sink)
			c := channelTo(s)
			if tt.password != "" {
				c.Mail.Username, c.Mail.Password = "dvagent", literal(tt.password)
			}
			err := Send(t.Context(), c, twoFailed)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// fault 169
func TestAServerThatRepeatsThePasswordIsToldByItsCode(t *testing.T) {
	repeated := base64.StdEncoding.EncodeToString([]byte("\x00dvagent\x00" + canary))
	for _, tt := range []struct {
		name string
		sink notifytest.Sink
		says string
	}{
		{"at its authentication", notifytest.Sink{Password: "other"}, "the server answered 535 5.7.8"},
		{"at a recipient", notifytest.Sink{Password: canary, Refuses: "550 5.1.1 " + repeated}, "sending SMTP RCPT TO command: the server answered 550"},
		{"without a code", notifytest.Sink{Password: canary, Refuses: "you said " + repeated}, "sending SMTP RCPT TO command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := channelTo(newSink(t, &tt.sink))
			c.Mail.Username, c.Mail.Password = "dvagent", literal(canary)
			if err := Send(t.Context(), c, twoFailed); err == nil || err.Error() != "notify mail: "+tt.says {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestALetterThatWasTakenIsSentWhateverComesThen(t *testing.T) {
	s := newSink(t, &notifytest.Sink{HangsUp: true})
	if err := Send(t.Context(), channelTo(s), twoFailed); err != nil {
		t.Error(err)
	}
	if len(s.Letters) != 1 {
		t.Errorf("%d letters", len(s.Letters))
	}
}

// fault 87
func TestALetterLeavesThisHostOnlyEncrypted(t *testing.T) {
	identity := httptest.NewTLSServer(nil) // a pair for example.com
	defer identity.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(identity.Certificate())
	for _, tt := range []struct {
		name  string
		tls   *tls.Config
		roots *x509.CertPool
		says  string
	}{
		{"a server without STARTTLS", nil, trusted, "STARTTLS"},
		{"a server that cannot prove its name", identity.TLS, x509.NewCertPool(), "unknown authority"},
		{"a server that can", identity.TLS, trusted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t, &notifytest.Sink{TLS: tt.tls, Password: canary})
			m := channelTo(s).Mail
			m.Username, m.Password = "dvagent", literal(canary)
			options, _, err := m.options("example.com", "25")
			if err != nil {
				t.Fatal(err)
			}
			client, err := gomail.NewClient("example.com", append(options,
				gomail.WithTLSConfig(&tls.Config{ServerName: "example.com", RootCAs: tt.roots}),
				gomail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) { // the name leads to the sink
					return new(net.Dialer).DialContext(ctx, network, s.Address)
				}))...)
			if err != nil {
				t.Fatal(err)
			}
			err = client.DialWithContext(t.Context())
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
			for tt.says != "" && len(s.Seen) > 0 {
				if command := <-s.Seen; strings.HasPrefix(command, "AUTH") || strings.HasPrefix(command, "MAIL") {
					t.Errorf("it went on in the clear with %q", command)
				}
			}
		})
	}
}
