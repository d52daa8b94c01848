package config

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// refuseOverwriting refuses a target whose file is one that dvagent itself needs:
// a deployment would put the certificate in its place.
func refuseOverwriting(config *Config, sources []*source) error {
	needed := neededBy(config, sources)
	for _, s := range sources {
		for i, table := range s.doc.Certificate {
			certificate, _ := config.Certificate(table.Name)
			for j, target := range certificate.Deploy {
				for format, path := range target.Files() {
					if err := needed.refuse(path); err != nil {
						return s.locate(at(fmt.Sprintf("certificate[%d].deploy[%d].%s", i, j, format), err))
					}
				}
			}
		}
	}
	return nil
}

// neededBy collects what a configuration needs: itself, the state, its secrets
// and its programs.
func neededBy(config *Config, sources []*source) *occupied {
	needed := newOccupied()
	for _, s := range sources {
		needed.add(s.file, "the configuration")
	}
	needed.add(MoreDir(sources[0].file), "the configuration")
	needed.add(config.StateDir, "state_dir")
	for _, account := range config.Accounts {
		needed.add(account.CAFile, "a ca_file")
	}
	for _, s := range config.Secrets() {
		needed.add(s.File, "a secret")
	}
	for _, hook := range config.Hooks {
		needed.addProgram(hook.Command)
	}
	for _, certificate := range config.Certificates {
		for _, target := range certificate.Deploy {
			needed.addProgram(target.Check)
			needed.addProgram(target.Reload)
		}
	}
	return needed
}

// occupied says what files and directories are, by each identity of theirs.
type occupied struct {
	what        map[string]string
	directories map[string]string // what each of them is or lies in, as far as they were asked about
}

func newOccupied() *occupied {
	return &occupied{what: map[string]string{}, directories: map[string]string{}}
}

// addProgram adds one that has a path even where it cannot be run: check says so.
func (o *occupied) addProgram(argv []string) {
	path, _ := command.LookPath(argv)
	if len(argv) > 0 && filepath.IsAbs(argv[0]) {
		path = argv[0]
	}
	o.add(path, "a program that dvagent runs")
}

func (o *occupied) add(path, what string) {
	if path == "" {
		return
	}
	for _, id := range identities(path) {
		o.what[id] = what
	}
}

// refuse says what path is, or what it lies in.
func (o *occupied) refuse(path string) error {
	if what := o.at(path); what != "" {
		return hint.Add(fmt.Errorf("%s is %s, and would be overwritten", path, what), "give the certificate a file of its own")
	}
	for _, name := range []string{filepath.Clean(path), realPath(path)} {
		if what := o.around(filepath.Dir(name)); what != "" {
			return hint.Add(fmt.Errorf("%s lies in %s", path, what), "put the certificate into a directory of its own")
		}
	}
	return nil
}

func (o *occupied) at(path string) string {
	for _, id := range identities(path) {
		if what := o.what[id]; what != "" {
			return what
		}
	}
	return ""
}

// around is what a directory is, or what it lies in.
func (o *occupied) around(directory string) string {
	what, known := o.directories[directory]
	if known {
		return what
	}
	if what = o.at(directory); what == "" && directory != "/" {
		what = o.around(filepath.Dir(directory))
	}
	o.directories[directory] = what
	return what
}

// identities are the ways to tell that two paths lead to one file: the name, the
// name without symlinks on the way, and what is there, if anything. A hard link
// has the last one alone.
func identities(path string) []string {
	ids := []string{filepath.Clean(path), realPath(path)}
	if info, err := os.Stat(path); err == nil {
		if found, ok := info.Sys().(*syscall.Stat_t); ok {
			ids = append(ids, fmt.Sprintf("inode %d:%d", found.Dev, found.Ino))
		}
	}
	return ids
}

// realPath is path without symlinks on the way to it, as far as that is there.
func realPath(path string) string {
	directory, rest := filepath.Split(filepath.Clean(path))
	for {
		if found, err := filepath.EvalSymlinks(directory); err == nil {
			return filepath.Join(found, rest)
		}
		rest = filepath.Join(filepath.Base(directory), rest)
		directory = filepath.Dir(filepath.Clean(directory))
	}
}
