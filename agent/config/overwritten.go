package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// refuseOverwriting refuses a target whose file is one that dvagent itself needs:
// a deployment would put the certificate in its place.
func refuseOverwriting(config *Config, real *realPaths, sources []*source) error {
	needed := neededBy(config, real, sources)
	refused := make([]error, len(config.Certificates)) // in the order of the sources
	sideBySide(len(refused), func(i int) { refused[i] = needed.refuseOf(config.Certificates[i]) })
	for _, s := range sources {
		of := refused[:len(s.doc.Certificate)]
		refused = refused[len(of):]
		for i, err := range of {
			if err != nil {
				return s.locate(within(owner{s, i}.key(), err))
			}
		}
	}
	return nil
}

// neededBy collects what a configuration needs: itself, the state, its secrets
// and its programs.
func neededBy(config *Config, real *realPaths, sources []*source) *occupied {
	needed := newOccupied(real)
	needed.most = mostListed * len(config.Certificates)
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
	paths       map[string]string
	inodes      map[inode]string
	programs    map[string]bool // that were added
	real        *realPaths
	directories sync.Map // *directory by path, as far as they were asked about
	aliases
}

func newOccupied(real *realPaths) *occupied {
	return &occupied{real: real, paths: map[string]string{}, inodes: map[inode]string{}, programs: map[string]bool{}, aliases: aliases{names: map[string]bool{}}}
}

// addProgram adds one that has a path even where it cannot be run: check says so.
func (o *occupied) addProgram(argv []string) {
	if len(argv) == 0 || o.programs[argv[0]] {
		return
	}
	o.programs[argv[0]] = true
	path, _ := command.LookPath(argv)
	if filepath.IsAbs(argv[0]) {
		path = argv[0]
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return // check says that it cannot be run
	}
	o.add(path, "a program that dvagent runs")
}

func (o *occupied) add(path, what string) {
	if path == "" {
		return
	}
	clean := filepath.Clean(path)
	o.paths[clean], o.paths[o.real.of(clean)] = what, what
	if found, there := o.note(path); there {
		o.inodes[found] = what
	}
}

// refuseOf refuses the first file of a certificate's that is to be refused.
func (o *occupied) refuseOf(certificate Certificate) error {
	for i, target := range certificate.Deploy {
		for format, path := range target.Files() {
			if err := o.refuse(path); err != nil {
				return at(fmt.Sprintf("deploy[%d].%s", i, format), err)
			}
		}
	}
	return nil
}

// refuse says what path is, or what it lies in.
func (o *occupied) refuse(path string) error {
	name := filepath.Clean(path)
	real := o.real.of(name)
	in := o.directory(above(name))
	what := cmp.Or(o.paths[name], o.paths[real])
	if what == "" && !o.none(in, filepath.Base(name)) {
		what = o.inodes[inodeAt(path)]
	}
	if what != "" {
		return hint.Add(fmt.Errorf("%s is %s, and would be overwritten", path, what), "give the certificate a file of its own")
	}
	if what = in.what; what == "" && real != name {
		what = o.directory(above(real)).what
	}
	if what != "" {
		return hint.Add(fmt.Errorf("%s lies in %s", path, what), "put the certificate into a directory of its own")
	}
	return nil
}

// directory is the one at a clean path, and what it is, by its name, by its name without
// symlinks on the way, or by itself; or what it lies in.
func (o *occupied) directory(path string) *directory {
	if known, asked := o.directories.Load(path); asked {
		return known.(*directory)
	}
	what := cmp.Or(o.paths[path], o.paths[o.real.of(path)], o.inodes[inodeAt(path)])
	if what == "" && path != "/" {
		what = o.directory(above(path)).what
	}
	known, _ := o.directories.LoadOrStore(path, &directory{path: path, what: what})
	return known.(*directory)
}

// inode is a file, whatever it is called.
type inode struct{ device, number uint64 }

// inodeAt is the zero one where nothing is there.
func inodeAt(path string) inode {
	var info unix.Stat_t
	_ = unix.Stat(path, &info)
	return inode{info.Dev, info.Ino}
}

// realPaths are directories without symlinks on the way to them and in their place,
// as far as they are there; each is looked at once. They are safe for concurrent use.
type realPaths struct{ found sync.Map }

// of is a clean path without symlinks on the way to it, as far as that is there.
func (r *realPaths) of(path string) string {
	directory := above(path)
	if real := r.directory(directory); real != directory {
		return filepath.Join(real, filepath.Base(path))
	}
	return path
}

// above is filepath.Dir of a clean path from / on, for which that cleans it again.
func above(path string) string { return path[:max(1, strings.LastIndexByte(path, '/'))] }

func (r *realPaths) directory(path string) string {
	if path == "/" {
		return path
	}
	if known, asked := r.found.Load(path); asked {
		return known.(string)
	}
	real := r.of(path)
	if info, err := os.Lstat(real); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if found, err := filepath.EvalSymlinks(real); err == nil {
			real = found
		}
	}
	r.found.Store(path, real)
	return real
}
