package filevalidate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// File is a validation file below a webroot.
type File struct {
	Root    string // the webroot
	Path    string // as Place.Path
	Content string
}

// Name is where the file is.
func (f File) Name() string { return filepath.Join(f.Root, f.Path) }

// ForeignError says that somebody else's file is at the place.
type ForeignError struct{ Path string }

func (e *ForeignError) Error() string {
	return e.Path + " is there already, and is not what the CA wants to see"
}

// OperatorHint is for package hint.
func (e *ForeignError) OperatorHint() string {
	return "remove it, if nothing needs it any more: dvagent replaces no file that it did not make"
}

// State is what stands at a file's place.
type State struct {
	Content string // of a text that is there
	There   bool   // a file, whatever is in it
	Missing int    // directories on the way to it that are not there
}

// Look reads what stands at the place. What is no short plain file, such as a
// symlink, is a *ForeignError.
func (f File) Look() (State, error) {
	dirs, missing, err := f.open(nil)
	if err != nil {
		return State{}, err
	}
	defer closeAll(dirs)
	if missing > 0 {
		return State{Missing: missing}, nil
	}
	text, there, err := f.read(last(dirs))
	return State{Content: text, There: there}, err
}

func (f File) read(dir *openat.Dir) (text string, there bool, err error) {
	found, err := dir.ReadFile(f.base(), longest+1)
	switch {
	case errors.Is(err, fs.ErrNotExist) && found.Link == "":
		return "", false, nil
	case errors.Is(err, fs.ErrPermission) && !errors.Is(err, openat.ErrForeignLink):
		return "", false, err
	case err != nil || found.Link != "":
		return "", true, &ForeignError{f.Name()}
	}
	return string(found.Data), true, nil
}

func (f File) base() string { return filepath.Base(f.Path) }

// Write puts the file into its place, in one step, with what is missing of the
// directories on the way. Where we are root, all that is made gets the webroot's
// owner. A file that is there is replaced where ours says that its content was
// written by us; any other one is a *ForeignError.
func (f File) Write(ours func(content string) bool) error {
	root, err := f.root()
	if err != nil {
		return err
	}
	owner := ownerOf(root)
	root.Close()
	dirs, _, err := f.open(&owner)
	if err != nil {
		return err
	}
	defer closeAll(dirs)
	dir := last(dirs)
	text, there, err := f.read(dir)
	switch {
	case err != nil:
		return err
	case there && text == f.Content:
		return nil
	case there && !ours(text):
		return &ForeignError{f.Name()}
	}
	if err := f.stage(dir, owner); err != nil {
		return err
	}
	if there {
		return atomicfile.Commit(dir, f.base())
	}
	err = atomicfile.CommitNew(dir, f.base())
	if errors.Is(err, fs.ErrExist) { // somebody was sooner
		return &ForeignError{f.Name()}
	}
	return err
}

// stage writes the file under its temporary name. Everybody may read it, so that a
// root who may give nothing away keeps it.
func (f File) stage(dir *openat.Dir, whose owner) error {
	made := atomicfile.File{Path: f.Name(), Data: []byte(f.Content), Mode: 0o644, UID: whose.uid, GID: whose.gid, Lenient: true}
	_, err := atomicfile.Stage(dir, made)
	if errors.Is(err, unix.EPERM) {
		made.UID, made.GID = atomicfile.Keep, atomicfile.Keep
		_, err = atomicfile.Stage(dir, made)
	}
	return err
}

// Remove takes the file away if its content is still this one, and then as many
// of the directories above it as were made for it, if they are empty. left says
// that something else is there now, which stays. What is gone is a success.
func (f File) Remove(made int) (left bool, err error) {
	dirs, missing, err := f.open(nil)
	if errors.Is(err, fs.ErrNotExist) { // the webroot itself
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer closeAll(dirs)
	if missing == 0 {
		if left, err = f.removeFrom(last(dirs)); err != nil {
			return left, err
		}
	}
	return left, f.removeDirs(dirs, made-missing)
}

func (f File) removeFrom(dir *openat.Dir) (left bool, err error) {
	if err := atomicfile.Discard(dir, f.base()); err != nil { // of a process that was killed
		return false, err
	}
	text, there, err := f.read(dir)
	var foreign *ForeignError
	switch {
	case errors.As(err, &foreign) || there && err == nil && text != f.Content:
		return true, nil
	case err != nil || !there:
		return false, err
	}
	if err := dir.Remove(f.base()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, dir.Sync()
}

// removeDirs removes the innermost directories, as far as they are empty.
func (f File) removeDirs(dirs []*openat.Dir, most int) error {
	names := strings.Split(f.Path, "/")
	for i := len(dirs) - 1; i > 0 && most > 0; i, most = i-1, most-1 {
		switch err := dirs[i-1].RemoveDir(names[i-1]); {
		case errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, fs.ErrExist):
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if err := dirs[i-1].Sync(); err != nil {
			return err
		}
	}
	return nil
}

// Writable tries whether the file could be written, without a trace: in the
// directory that it goes into, or in the one in which that would be made.
func (f File) Writable() error {
	dirs, _, err := f.open(nil)
	if err != nil {
		return err
	}
	defer closeAll(dirs)
	if err := last(dirs).Writable(); err != nil {
		return hint.Add(fmt.Errorf("webroot %s: %w", f.Root, err), cmp.Or(hint.Of(err), "let dvagent's user write there"))
	}
	return nil
}

// owner is whom what is made belongs to.
type owner struct{ uid, gid int }

// ownerOf is the webroot's owner where we may give files away.
func ownerOf(root *openat.Dir) owner {
	if unix.Geteuid() != 0 {
		return owner{atomicfile.Keep, atomicfile.Keep}
	}
	return owner{root.Owner(), root.Group()}
}

func (f File) root() (*openat.Dir, error) {
	root, err := openat.Open(f.Root)
	if err == nil {
		return root, nil
	}
	advice := hint.Of(err)
	if errors.Is(err, fs.ErrNotExist) {
		advice = "make it, or correct webroot: it is the directory that the web server shows"
	}
	return nil, hint.Add(fmt.Errorf("webroot %s: %w", f.Root, err), advice)
}

// open opens the webroot and the directories on the way to the file, none of
// which may be a symlink. Those that are missing are made as somebody's, or counted.
func (f File) open(whose *owner) (dirs []*openat.Dir, missing int, err error) {
	root, err := f.root()
	if err != nil {
		return nil, 0, err
	}
	dirs = []*openat.Dir{root}
	names := strings.Split(filepath.Dir(f.Path), "/")
	for i, name := range names {
		next, err := last(dirs).Enter(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && whose == nil:
			return dirs, len(names) - i, nil
		case errors.Is(err, fs.ErrNotExist):
			next, err = last(dirs).Make(name, 0o755, whose.uid, whose.gid)
		case errors.Is(err, unix.ENOTDIR):
			err = hint.Add(fmt.Errorf("%s is a symlink or a file, and no symlink below the webroot is followed", filepath.Join(last(dirs).Path(), name)),
				"name the directory as webroot in which the real "+names[0]+" lies")
		}
		if err != nil {
			closeAll(dirs)
			return nil, 0, err
		}
		dirs = append(dirs, next)
	}
	return dirs, 0, nil
}

func last(dirs []*openat.Dir) *openat.Dir { return dirs[len(dirs)-1] }

func closeAll(dirs []*openat.Dir) {
	for _, dir := range dirs {
		dir.Close()
	}
}
