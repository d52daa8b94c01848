package aliyun

import (
	"regexp"
	"strings"
	"sync"

	"dvagent/internal/secret"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

const maxMessage = 300 // bytes of server text that are kept

var (
	// A gateway that refuses a signature repeats what it signed: the whole
	// request, the token and an uploaded key included.
	stringToSign = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)string ?to ?sign.*`) })
	webAddress   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)https?://[^\s"']+`) })
	privateKey   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)private(\s|\+|%20|%2B|%25)+.{0,8}key`) })
)

// secretsOf lists what must not come back in an error: the key, the
// signature, and each line of an uploaded private key or CSR.
func secretsOf(request requests.AcsRequest, key key) []string {
	secrets := []string{key.id, key.secret, key.token, request.GetQueryParams()["Signature"]}
	for _, name := range []string{"Key", "Csr"} {
		for line := range strings.Lines(request.GetFormParams()[name]) {
			secrets = append(secrets, strings.TrimSpace(line))
		}
	}
	return secrets
}

// redact shortens what others wrote to what may be shown and logged.
func redact(text string, secrets []string) string {
	if len(text) > mostText {
		return "(withheld: it is too long)"
	}
	if privateKey().MatchString(text) {
		return "(withheld: it speaks of a private key)"
	}
	text = secret.Cut(text, secrets...)
	text = stringToSign().ReplaceAllString(text, "string to sign withheld")
	text = webAddress().ReplaceAllString(text, "(address)")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

func (e *Error) redact(secrets []string) {
	e.Message = redact(e.Message, secrets)
	e.Code = redact(e.Code, secrets)
	e.RequestID = redact(e.RequestID, secrets)
	if e.Err == nil {
		return
	}
	if text := redact(e.Err.Error(), secrets); text != e.Err.Error() {
		e.Err = redacted{text, e.Err} // net/http quotes an answer that it cannot read
	}
}

// redacted is an error that shows another text.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }

func (r redacted) Unwrap() error { return r.err }
