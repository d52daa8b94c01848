// Package message says in the reader's language what dvagent says in English.
//
// English is what is written down: in journals, in logs and in JSON, where people
// with another language and programs read it too. So a text is translated when it
// is shown, and not when it arises: Text finds the entry of the catalogue that
// the text was made from, and puts what stood in its holes into the translation.
// A text that has no entry is shown as it is.
//
// It writes nothing, and knows neither a terminal nor a configuration.
package message

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Language is one in which people are told something: "en" or "zh". The zero
// value is English.
type Language string

const (
	English Language = "en"
	Chinese Language = "zh"
)

// Languages are those that there are, as the configuration calls them.
var Languages = []Language{English, Chinese}

// OfEnvironment is the language that LC_ALL, LC_MESSAGES or LANG asks for, the
// first of them that is set; English where it is another one.
func OfEnvironment(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := getenv(name); locale != "" {
			name, _, _ := strings.Cut(locale, ".")
			return nearest(language.Make(name))
		}
	}
	return English
}

// Chosen is the language that a configuration chooses, or that of the environment
// where it leaves that open.
func Chosen(configured Language) Language { return cmp.Or(configured, OfEnvironment(os.Getenv)) }

// OfBrowser is the language that a request's header Accept-Language asks for.
func OfBrowser(header string) Language {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return English
	}
	return nearest(tags...)
}

// Who writes Chinese in another way reads this one rather than English.
var offered = sync.OnceValue(func() language.Matcher {
	return language.NewMatcher([]language.Tag{language.English, language.Chinese, language.TraditionalChinese})
})

func nearest(tags ...language.Tag) Language {
	if _, index, _ := offered().Match(tags...); index > 0 {
		return Chinese
	}
	return English
}

// Sprintf formats as fmt does, in this language: format is an entry of the
// catalogue, but for space at its ends, and arguments that are strings are
// translated as Text does it.
func (l Language) Sprintf(format string, args ...any) string {
	if l != Chinese {
		return fmt.Sprintf(format, args...)
	}
	core := strings.TrimSpace(format)
	asIs := make([]bool, len(args))
	if entry, found := chinese().exact[core]; found {
		format = strings.Replace(format, core, entry, 1)
		asIs = verbatim(entry, len(args))
		if strings.HasPrefix(entry, "（") {
			format = strings.TrimLeft(format, " ")
		}
	}
	translated := make([]any, len(args))
	for i, arg := range args {
		if text, ok := arg.(string); ok && !asIs[i] {
			arg = l.Text(text)
		}
		translated[i] = arg
	}
	return fill(format, translated)
}

// Text is an English text in this language, as far as the catalogue goes.
func (l Language) Text(english string) string {
	if l != Chinese {
		return english
	}
	return chinese().text(english, deepest)
}
