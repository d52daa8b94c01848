package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// dump is what nginx -T printed, taken apart into files.
type dump struct {
	main    *file
	files   map[string]*file   // of every name that a heading has
	names   []string           // of files, sorted
	matches map[string][]*file // of the include directives so far
	size    int                // in directives, those of a file as often as it is included
	read    int                // in bytes, likewise
}

// file is one of the files that make up the configuration.
type file struct {
	name, text string
	expected   bool // an include directive names it
	dumped     bool // one of its headings is no comment
	included   bool
}

var heading = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^# configuration file (.+):\n`) })

// split passes over what comes before the first file, such as warnings. nginx
// dumps a file once, after the one that includes it; any other heading is a
// comment.
func split(ctx context.Context, text string) (*dump, error) {
	headings := heading().FindAllStringSubmatchIndex(text, -1)
	if len(headings) == 0 {
		return nil, errors.New("the dump holds no file")
	}
	d := &dump{files: map[string]*file{}, matches: map[string][]*file{}}
	for _, at := range headings {
		name := text[at[2]:at[3]]
		d.files[name] = &file{name: name}
	}
	d.names = slices.Sorted(maps.Keys(d.files))
	d.main = d.files[text[headings[0][2]:headings[0][3]]]
	d.main.expected = true
	last, start := d.main, 0
	for i, at := range headings {
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		if f := d.files[text[at[2]:at[3]]]; f.expected && !f.dumped {
			last, start, f.dumped = f, at[1], true
		}
		last.text = text[start:end]
		for _, pattern := range includes(text[at[1]:end]) {
			if _, err := d.named(ctx, pattern); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// named are the files that an include directive names, in the order of their
// names. None is no error.
func (d *dump) named(ctx context.Context, pattern string) ([]*file, error) {
	pattern = absolute(path.Dir(d.main.name), pattern)
	matches, known := d.matches[pattern]
	if known {
		return matches, ctx.Err()
	}
	if strings.ContainsAny(pattern, "*?[") {
		matches = d.glob(ctx, pattern)
	} else if f := d.files[pattern]; f != nil {
		matches = []*file{f}
	}
	for _, f := range matches {
		f.expected = true
	}
	d.matches[pattern] = matches
	return matches, ctx.Err()
}

const maxName = 4096 // bytes; the system opens no longer one

// glob takes a pattern of glob(3). It looks at no name that begins otherwise:
// where each of thousands of sites includes a directory of its own, a look at
// all of them for each one would take the square of their number. It ends early
// with ctx.
func (d *dump) glob(ctx context.Context, pattern string) []*file {
	var matches []*file
	inGo := strings.ReplaceAll(pattern, "[!", "[^")
	beginning := pattern[:strings.IndexAny(pattern, `*?[\`)]
	first, _ := slices.BinarySearch(d.names, beginning)
	for _, name := range d.names[first:] {
		if !strings.HasPrefix(name, beginning) || ctx.Err() != nil {
			break
		}
		if max(len(name), len(pattern)) > maxName {
			continue
		}
		if matched, _ := filepath.Match(inGo, name); matched || name == pattern {
			matches = append(matches, d.files[name])
		}
	}
	return matches
}

// directives are the main file's with all that it includes. A file that nothing
// includes is an error: it may be text in quotes that looks like a heading.
func (d *dump) directives(ctx context.Context) ([]directive, error) {
	directives, err := d.readFile(ctx, d.main, 0)
	if err != nil {
		return nil, err
	}
	for name, f := range d.files {
		if f.dumped && !f.included {
			return nil, fmt.Errorf("nothing includes %s", name)
		}
	}
	return directives, nil
}

// maxRead is far above what a configuration of thousands of sites includes.
const maxRead = 16 * maxDump

func (d *dump) readFile(ctx context.Context, f *file, depth int) ([]directive, error) {
	if d.read += len(f.text); d.read > maxRead {
		return nil, fmt.Errorf("the files that are included have more than %d bytes, %s among them", maxRead, f.name)
	}
	f.included = true
	r := &reader{dump: d, file: f.name, text: f.text, line: 1}
	return r.block(ctx, endOfFile, depth)
}

// include reads what stands in the place of an include directive.
func (d *dump) include(ctx context.Context, pattern string, depth int) ([]directive, error) {
	files, err := d.named(ctx, pattern)
	if err != nil {
		return nil, err
	}
	var all []directive
	for _, f := range files {
		directives, err := d.readFile(ctx, f, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, directives...)
	}
	return all, nil
}

// absolute joins as nginx does, without cleaning the path.
func absolute(prefix, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return strings.TrimSuffix(prefix, "/") + "/" + name
}
