package config

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// manyTables is how many certificates are decoded at once. The decoder keeps all of
// a text as a tree, which takes twenty times its room.
const manyTables = 256

// decodeParts decodes a long text in parts: the tables of certificates, some at a
// time and side by side, and all that is not such a table, which the metadata are of.
// It answers false, and has done nothing, where the text is short or there is
// anything to be said of it: the decoder then gets it as a whole, and says it.
func decodeParts(text string, doc *document) (rest toml.MetaData, done bool) {
	other, parts := partsOf(text)
	if len(parts) < 2 {
		return rest, false
	}
	whole := *doc
	rest, err := decodeTOML(other, &whole)
	if err != nil || len(rest.Undecoded()) > 0 || rest.IsDefined("certificate") || passedOver(rest, &whole) != "" {
		return rest, false
	}
	docs, wrong := make([]document, len(parts)), make([]bool, len(parts))
	sideBySide(len(parts), func(i int) {
		of, err := decodeTOML(parts[i], &docs[i])
		wrong[i] = err != nil || len(of.Undecoded()) > 0
	})
	if slices.Contains(wrong, true) {
		return rest, false
	}
	tables := make([][]certificateTable, len(docs))
	for i, part := range docs {
		tables[i] = part.Certificate
	}
	whole.Certificate = slices.Concat(tables...)
	*doc = whole
	return rest, true
}

// sideBySide does something for each number below n, on all processors.
func sideBySide(n int, do func(i int)) {
	if n == 1 { // as in most files of conf.d
		do(0)
		return
	}
	workers := min(n, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n; i += workers {
				do(i)
			}
		})
	}
	group.Wait()
}

// partsOf takes the tables of certificates out of a text. There are none where a
// line may not be what it seems, within a string of several lines.
func partsOf(text string) (rest string, parts []string) {
	if strings.Contains(text, `"""`) || strings.Contains(text, "'''") {
		return text, nil
	}
	var other strings.Builder
	tables, begin, end := 0, 0, 0 // of the part, which is empty outside of such tables
	cut := func() {
		if tables > 0 {
			parts = append(parts, text[begin:end])
		}
		tables, begin = 0, end
	}
	for line := range strings.Lines(text) {
		switch header := strings.TrimSpace(line); {
		case header == "[[certificate]]":
			if tables == 0 || tables == manyTables {
				cut()
			}
			tables++
		case strings.HasPrefix(header, "[") && header != "[[certificate.deploy]]":
			cut()
		}
		if end += len(line); tables == 0 {
			other.WriteString(line)
		}
	}
	cut()
	return other.String(), parts
}
