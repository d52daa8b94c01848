package nginx

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// file is one of the files that make up the configuration, each of which nginx
// dumps once, the main file first.
type file struct {
	name, text string
	start      int // of text in the dump
	directives []directive
	included   bool
}

var heading = regexp.MustCompile(`(?m)^# configuration file (.+):\n`)

// split passes over what comes before the first file, such as warnings. nginx
// dumps a file after the one that includes it, so a heading that no file before
// includes is a comment.
func split(dump string) []*file {
	var files []*file
	var patterns []string // of the include directives up to here
	found := heading.FindAllStringSubmatchIndex(dump, -1)
	for i, at := range found {
		end := len(dump)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		name := dump[at[2]:at[3]]
		if len(files) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) }) {
			files = append(files, &file{name: name, start: at[1]})
		}
		last := files[len(files)-1]
		last.text = dump[last.start:end]
		for _, argument := range includes(dump[at[1]:end]) {
			patterns = append(patterns, absolute(prefix(files), argument))
		}
	}
	return files
}

// maxDirectives bounds what files that include one another grow to.
const maxDirectives = 200_000

// tree puts files in the place of the include directives that name them.
type tree struct {
	files  []*file
	prefix string
	size   int // in directives
}

// joined is the main file with all that it includes. A file that nothing
// includes is an error: it may be text in quotes that looks like a heading.
func joined(files []*file) ([]directive, error) {
	for _, f := range files {
		var err error
		if f.directives, err = read(f.name, f.text); err != nil {
			return nil, err
		}
	}
	t := &tree{files: files, prefix: prefix(files)}
	directives, err := t.include(files[0], 0)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !f.included {
			return nil, fmt.Errorf("nothing includes %s", f.name)
		}
	}
	return directives, nil
}

func (t *tree) include(f *file, depth int) ([]directive, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: it is included too deeply", f.name)
	}
	f.included = true
	return t.expand(f.directives, depth)
}

func (t *tree) expand(directives []directive, depth int) ([]directive, error) {
	var all []directive
	for _, d := range directives {
		t.size++
		if t.size > maxDirectives {
			return nil, fmt.Errorf("%s: there are more than %d directives", d.place, maxDirectives)
		}
		var err error
		if d.name() != "include" {
			d.block, err = t.expand(d.block, depth)
			all = append(all, d)
		} else {
			all, err = t.insert(all, d.argument(), depth)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// insert appends the directives of the files that an include directive names
// by a pattern of glob(3). None is no error.
func (t *tree) insert(all []directive, pattern string, depth int) ([]directive, error) {
	pattern = absolute(t.prefix, pattern)
	for _, f := range t.files {
		if !matches(pattern, f.name) {
			continue
		}
		inserted, err := t.include(f, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, inserted...)
	}
	return all, nil
}

// matches tells whether an absolute pattern of an include directive is a file's.
func matches(pattern, file string) bool {
	matched, _ := filepath.Match(strings.ReplaceAll(pattern, "[!", "[^"), file)
	return matched || file == pattern
}

// prefix is the main file's directory, which names are relative to.
func prefix(files []*file) string { return path.Dir(files[0].name) }

// absolute joins as nginx does, without cleaning the path.
func absolute(prefix, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return strings.TrimSuffix(prefix, "/") + "/" + name
}
