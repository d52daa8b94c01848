package setup

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
	"unicode"

	"dvagent/internal/line"
	"dvagent/internal/message"
	"dvagent/internal/words"
)

// Document is all that a first configuration says. What is empty is left out.
type Document struct {
	At       time.Time
	Language message.Language // of its comments, and of what dvagent tells people
	StateDir string

	KeyID      string // an access key's id
	SecretFile string // where its secret is
	RAMRole    string // of the ECS instance, in place of a key
	Endpoints  Endpoints
	DNS        DNS

	Contact     Contact
	Name        string // of the certificate
	Domains     []string
	Webroot     string // where files prove the domains, in place of records
	Server      string // for the comment
	Site        Site
	Check       []string
	Reload      []string
	WithoutSite bool // nothing is installed yet
}

// Endpoints are those of an account that is not at Alibaba's own.
type Endpoints struct{ CAS, DNS, CAFile string }

// DNS are the servers of a network that has a view of its own.
type DNS struct{ Resolvers, NameServers []string }

// Contact is the person whom the CA may call: an id of the account's, or all else.
type Contact struct {
	ID                                      int64
	Username, Mobile, Email, Province, City string
}

//go:embed agent.toml.tmpl
var layout string

var document = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("agent.toml").Funcs(template.FuncMap{
		"q": quoted, "list": list, "line": line.Of, "date": words.Date, "say": message.English.Sprintf,
	}).Parse(layout))
})

// InChinese is for the template. A service has no environment that says so.
func (d Document) InChinese() bool { return d.Language == message.Chinese }

// TOML is the document as a commented agent.toml.
func (d Document) TOML() (string, error) {
	var text strings.Builder
	translated := template.Must(document().Clone()).Funcs(template.FuncMap{"say": d.Language.Sprintf})
	if err := translated.Execute(&text, d); err != nil {
		return "", fmt.Errorf("write a configuration: %w", err)
	}
	return text.String(), nil
}

// quoted is a basic string of TOML. What cannot be seen is escaped: who reads it
// reads all of it.
func quoted(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteString("\\" + string(r))
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&out, "\\U%08X", r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&out, "\\u%04X", r)
		default:
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}

func list(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = quoted(text)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// Number is the id of a contact as a person types it.
func Number(text string) (int64, bool) {
	id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return id, err == nil && id > 0
}
