package nginx

import (
	"context"
	"fmt"
	"strings"
)

// directive is a name with its arguments, and the block that it may have.
type directive struct {
	words []string // at least the name
	block []directive
	place string // FILE:LINE
}

func (d directive) name() string { return d.words[0] }

// argument is the first one, or "".
func (d directive) argument() string {
	if len(d.words) < 2 {
		return ""
	}
	return d.words[1]
}

func (d directive) isLua() bool { return strings.HasSuffix(d.name(), "_by_lua_block") }

const (
	maxDepth      = 64 // of blocks and includes
	maxDirectives = 200_000
)

// reader takes one file apart by the rules of nginx's ngx_conf_read_token. It
// is more lenient, for nginx has accepted the file already.
type reader struct {
	dump       *dump // that includes are looked up in
	file, text string
	at         int // in text
	line       int // of counted
	counted    int // how far lines were counted
}

// place is where the reader stands.
func (r *reader) place() string {
	r.line += strings.Count(r.text[r.counted:r.at], "\n")
	r.counted = r.at
	return fmt.Sprintf("%s:%d", r.file, r.line)
}

func (r *reader) failure(format string, args ...any) error {
	return fmt.Errorf("%s: %s", r.place(), fmt.Sprintf(format, args...))
}

const endOfFile = 0

// block reads up to end, which is a closing brace or the end of the file.
func (r *reader) block(ctx context.Context, end byte, depth int) ([]directive, error) {
	if depth > maxDepth {
		return nil, r.failure("blocks and includes are nested too deeply")
	}
	var directives []directive
	for {
		d, c, err := r.directive()
		if err != nil {
			return nil, err
		}
		if c == end {
			return directives, nil
		}
		complete, err := r.complete(ctx, d, c, depth+1)
		if err != nil {
			return nil, err
		}
		directives = append(directives, complete...)
	}
}

// complete reads what follows a directive that c ended, and puts the files that
// one of include names in its place.
func (r *reader) complete(ctx context.Context, d directive, c byte, depth int) ([]directive, error) {
	r.dump.size++
	if r.dump.size > maxDirectives {
		return nil, r.failure("there are more than %d directives", maxDirectives)
	}
	var err error
	switch {
	case c == endOfFile:
		err = r.failure("a block is not closed")
	case c == '}':
		err = r.failure("a brace closes no block")
	case c == '{' && d.isLua():
		err = r.skipLua()
	case c == '{':
		d.block, err = r.block(ctx, '}', depth)
	case d.name() == "include":
		return r.dump.include(ctx, d.argument(), depth)
	}
	return []directive{d}, err
}

// includes lists the arguments of the include directives in any part of a file,
// as far as it can be read.
func includes(text string) []string {
	r := &reader{text: text, line: 1}
	var arguments []string
	for {
		d, c, err := r.directive()
		switch {
		case err != nil || c == endOfFile:
			return arguments
		case c == '{' && d.isLua():
			_ = r.skipLua() // an error is at the end of the text
		case c == ';' && d.name() == "include":
			arguments = append(arguments, d.argument())
		}
	}
}

// directive reads up to what ends one: a semicolon or an opening brace. At a
// closing brace and at the end of the file there is none.
func (r *reader) directive() (d directive, end byte, err error) {
	for {
		r.skipBlanks()
		if r.at == len(r.text) {
			if len(d.words) > 0 {
				err = r.failure("%s is not ended", d.name())
			}
			return d, endOfFile, err
		}
		if c := r.text[r.at]; strings.IndexByte(";{}", c) >= 0 {
			if closes := c == '}'; closes == (len(d.words) > 0) {
				return d, 0, r.failure("%q stands where it cannot", c)
			}
			r.at++
			return d, c, nil
		}
		if len(d.words) == 0 {
			d.place = r.place()
		}
		word, err := r.word()
		if err != nil {
			return d, 0, err
		}
		d.words = append(d.words, word)
	}
}

const blanks = " \t\r\n"

// skipBlanks passes over comments too, which begin where a word could.
func (r *reader) skipBlanks() {
	for {
		rest := strings.TrimLeft(r.text[r.at:], blanks)
		comment := strings.HasPrefix(rest, "#")
		if comment {
			_, rest, _ = strings.Cut(rest, "\n")
		}
		r.at = len(r.text) - len(rest)
		if !comment {
			return
		}
	}
}

// word reads one that begins here, in quotes or not. A brace after a dollar
// sign belongs to a variable.
func (r *reader) word() (string, error) {
	end := blanks + ";{"
	quoted := r.text[r.at] == '"' || r.text[r.at] == '\''
	if quoted {
		end = r.text[r.at : r.at+1]
		r.at++
	}
	start := r.at
	for ; r.at < len(r.text); r.at++ {
		c, rest := r.text[r.at], r.text[r.at+1:]
		switch {
		case c == '\\' && rest != "", c == '$' && strings.HasPrefix(rest, "{"):
			r.at++
		case strings.IndexByte(end, c) >= 0:
			word := unescaped.Replace(r.text[start:r.at])
			if quoted {
				r.at++
			}
			return word, nil
		}
	}
	if quoted {
		return "", r.failure("a quoted word is not ended")
	}
	return unescaped.Replace(r.text[start:]), nil
}

// unescaped leaves other pairs, such as those of a regular expression, as nginx
// does.
var unescaped = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\t`, "\t", `\r`, "\r", `\n`, "\n")

// skipLua passes over a block of Lua by counting braces. One within a string
// makes the count wrong, which shows as an error further down.
func (r *reader) skipLua() error {
	for open := 1; open > 0; r.at++ {
		if r.at == len(r.text) {
			return r.failure("a block of Lua is not closed")
		}
		switch r.text[r.at] {
		case '{':
			open++
		case '}':
			open--
		}
	}
	return nil
}
