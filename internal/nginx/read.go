package nginx

import (
	"errors"
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

const maxDepth = 64 // of blocks, and of includes

// reader takes one file apart by the rules of nginx's ngx_conf_read_token. It
// is more lenient, for nginx has accepted the file already.
type reader struct {
	file, text string
	at         int // in text
	line       int // of counted
	counted    int // how far lines were counted
}

func read(file, text string) ([]directive, error) {
	r := &reader{file: file, text: text, line: 1}
	directives, err := r.block(0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.place(), err)
	}
	return directives, nil
}

// place is where the reader stands.
func (r *reader) place() string {
	r.line += strings.Count(r.text[r.counted:r.at], "\n")
	r.counted = r.at
	return fmt.Sprintf("%s:%d", r.file, r.line)
}

// block reads to the closing brace, or at depth 0 to the end of the file.
func (r *reader) block(depth int) ([]directive, error) {
	if depth > maxDepth {
		return nil, errors.New("blocks within blocks are too deep")
	}
	var directives []directive
	for {
		d, end, err := r.directive()
		switch {
		case err != nil:
			return nil, err
		case end == endOfFile && depth > 0:
			return nil, errors.New("a block is not closed")
		case end == '}' && depth == 0:
			return nil, errors.New("a brace closes no block")
		case end == endOfFile || end == '}':
			return directives, nil
		case end == '{' && d.isLua():
			err = r.skipLua()
		case end == '{':
			d.block, err = r.block(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		directives = append(directives, d)
	}
}

// includes lists the arguments of the include directives in any part of a file,
// as far as it can be read.
func includes(text string) []string {
	r := &reader{text: text, line: 1}
	var arguments []string
	for {
		d, end, err := r.directive()
		switch {
		case err != nil || end == endOfFile:
			return arguments
		case end == '{' && d.isLua():
			_ = r.skipLua() // an error is at the end of the text
		case end == ';' && d.name() == "include":
			arguments = append(arguments, d.argument())
		}
	}
}

const endOfFile = 0

// directive reads up to what ends one: a semicolon or an opening brace. At a
// closing brace and at the end of the file there is none.
func (r *reader) directive() (d directive, end byte, err error) {
	for {
		r.skipBlanks()
		if r.at == len(r.text) {
			if len(d.words) > 0 {
				err = fmt.Errorf("%s is not ended", d.name())
			}
			return d, endOfFile, err
		}
		if c := r.text[r.at]; strings.IndexByte(";{}", c) >= 0 {
			if closes := c == '}'; closes == (len(d.words) > 0) {
				return d, 0, fmt.Errorf("%q stands where it cannot", c)
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
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case strings.IndexByte(blanks, c) >= 0:
			r.at++
		case c == '#':
			length := strings.IndexByte(r.text[r.at:], '\n')
			if length < 0 {
				length = len(r.text) - r.at
			}
			r.at += length
		default:
			return
		}
	}
}

// word reads one that begins here, in quotes or not. A brace after a dollar
// sign belongs to a variable.
func (r *reader) word() (string, error) {
	var word strings.Builder
	end := blanks + ";{"
	quoted := r.text[r.at] == '"' || r.text[r.at] == '\''
	if quoted {
		end = r.text[r.at : r.at+1]
		r.at++
	}
	for ; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		following := r.at+1 < len(r.text)
		switch {
		case c == '\\' && following:
			r.at++
			word.WriteString(unescaped(r.text[r.at]))
			continue
		case c == '$' && following && r.text[r.at+1] == '{':
			r.at++
			word.WriteByte(c)
			c = '{'
		case strings.IndexByte(end, c) >= 0:
			if quoted {
				r.at++
			}
			return word.String(), nil
		}
		word.WriteByte(c)
	}
	if quoted {
		return "", errors.New("a quoted word is not ended")
	}
	return word.String(), nil
}

// unescaped is what a backslash and c stand for. Nginx leaves other pairs, such
// as those of a regular expression, as they are.
func unescaped(c byte) string {
	switch c {
	case '"', '\'', '\\':
		return string(c)
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'n':
		return "\n"
	}
	return "\\" + string(c)
}

// skipLua passes over a block of Lua by counting braces. One within a string
// makes the count wrong, which shows as an error further down.
func (r *reader) skipLua() error {
	for open := 1; r.at < len(r.text); {
		switch r.text[r.at] {
		case '{':
			open++
		case '}':
			open--
		}
		r.at++
		if open == 0 {
			return nil
		}
	}
	return errors.New("a block of Lua is not closed")
}
