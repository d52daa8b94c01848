package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dvagent/internal/address"
	"dvagent/internal/secret"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Mail is how e-mail is sent.
type Mail struct {
	Server   string        // host:port; TLS from the start at port 465, STARTTLS elsewhere
	Username string        // empty: no authentication
	Password secret.Secret // of Username
	From     string
	To       []string
}

// CheckAddress says why text cannot be an e-mail address.
func CheckAddress(text string) error {
	if mail.NewMsg().To(text) != nil {
		return fmt.Errorf("%q is not an e-mail address", text)
	}
	return nil
}

func (m Mail) send(ctx context.Context, message Message) error {
	letter := mail.NewMsg()
	if err := errors.Join(letter.From(m.From), letter.To(m.To...)); err != nil {
		return err
	}
	letter.Subject(message.title())
	letter.SetDateWithValue(message.At)
	letter.SetMessageID()
	letter.SetBodyString(mail.TypeTextPlain, message.body()+"\n")
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return err
	}
	options, password, err := m.options(host, port)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(host, options...)
	if err == nil {
		err = deliver(ctx, client, letter)
	}
	if err != nil && password != "" { // a server may repeat it, in any spelling
		return withoutText(err, password)
	}
	return err
}

// enhanced is a code of RFC 3463.
var enhanced = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`) })

// withoutText says what a server answered by its codes alone.
func withoutText(err error, password string) error {
	var sending *mail.SendError
	var answered *textproto.Error
	var unreadable textproto.ProtocolError
	switch {
	case errors.As(err, &sending) && sending.ErrorCode() != 0:
		return refused(sending.Reason.String()+": ", sending.ErrorCode(), sending.EnhancedStatusCode())
	case errors.As(err, &sending):
		return errors.New(sending.Reason.String())
	case errors.As(err, &answered):
		return refused("", answered.Code, enhanced().FindString(answered.Msg))
	case errors.As(err, &unreadable), errors.Is(err, smtp.ErrUnexpectedServerResponse), errors.Is(err, smtp.ErrUnexpectedServerChallange):
		return errors.New("the server's answer is not of SMTP")
	}
	return errors.New(secret.Cut(err.Error(), password))
}

func refused(step string, code int, enhanced string) error {
	return errors.New(strings.TrimSpace(fmt.Sprintf("%sthe server answered %d %s", step, code, enhanced)))
}

// deliver returns when ctx is done, which the client knows of while it dials
// alone.
func deliver(ctx context.Context, client *mail.Client, letter *mail.Msg) error {
	done := make(chan error, 1)
	go func() { done <- client.DialAndSendWithContext(ctx, letter) }()
	select {
	case err := <-done:
		if letter.IsDelivered() { // what went wrong came after it was taken
			return nil
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// options are the connection's. It is encrypted, but to loopback.
func (m Mail) options(host, port string) (options []mail.Option, password string, err error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, "", fmt.Errorf("%q is no port", port)
	}
	auth := mail.SMTPAuthAutoDiscover
	options = []mail.Option{mail.WithPort(number), mail.WithTimeout(timeout),
		mail.WithTLSConfig(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})}
	switch {
	case number == 465:
		options = append(options, mail.WithSSL())
	case address.IsLoopback(host):
		auth = mail.SMTPAuthPlain // which the client finds by itself only where it encrypts
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(dial))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithDialContextFunc(dial))
	}
	if m.Username == "" {
		return options, "", nil
	}
	if password, err = m.Password.Resolve(); err != nil {
		return nil, "", fmt.Errorf("read the password: %w", err)
	}
	return append(options, mail.WithSMTPAuth(auth), mail.WithUsername(m.Username),
		mail.WithPassword(password)), password, nil
}
