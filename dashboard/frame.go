package dashboard

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"os"
	"sync"

	"dvagent/internal/message"
)

var (
	//go:embed page.html
	pageText string
	//go:embed certificate.html
	certificateText string
	//go:embed page.css
	style string

	templates   = sync.OnceValue(parsePages)
	styleSource = sync.OnceValue(func() string { return "'sha256-" + hashOf(style) + "'" })
)

// parsePages makes the pages of each language: say puts a text into it.
func parsePages() map[message.Language]*template.Template {
	all := map[message.Language]*template.Template{}
	for _, language := range message.Languages {
		say := func(text string, args ...any) string {
			if len(args) == 0 {
				return language.Text(text)
			}
			return language.Sprintf(text, args...)
		}
		pages := template.Must(template.New("page").Funcs(template.FuncMap{"say": say}).Parse(pageText))
		template.Must(pages.New("certificate").Parse(certificateText))
		all[language] = pages
	}
	return all
}

// hashOf is what a Content-Security-Policy knows an inline style by.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame is what every page has.
type frame struct {
	Language message.Language
	Title    string
	Style    template.CSS
	Build    Build
	Refresh  int    // seconds; 0: never
	Reloaded string // when the configuration at work was read
}

// show fills in the template of that name.
func show(w http.ResponseWriter, name string, language message.Language, content any) {
	var text bytes.Buffer
	if err := templates()[language].ExecuteTemplate(&text, name, content); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(language))
	w.Header().Set("Vary", "Accept-Language")
	w.Write(text.Bytes())
}

// language is the one that the configuration chooses, or the browser.
func (d *Dashboard) language(r *http.Request) message.Language {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cmp.Or(d.speaks, message.OfBrowser(r.Header.Get("Accept-Language")))
}

func (d *Dashboard) frame(language message.Language, title string) frame {
	d.mu.Lock()
	defer d.mu.Unlock()
	return frame{Language: language, Title: language.Text(title), Style: template.CSS(style), Build: d.build, Reloaded: clock(d.reload.at)}
}

// hostname is empty where the host has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}
