package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/agent/config"
	"dvagent/internal/command"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
	"dvagent/internal/unit"
)

// servant is the user that the service works as.
type servant struct {
	owner owner
	units []unit.Unit // that work as this user; none where none is installed
}

// apart says that the service is not root's, and that this process can make it
// what it needs.
func (s servant) apart() bool { return len(s.units) > 0 && s.owner.uid != 0 && os.Geteuid() == 0 }

// serviceOf is the service of that state directory; without a unit of it the
// configuration is this user's.
func serviceOf(stateDir string) servant {
	if stateDir == "" {
		stateDir = config.DefaultStateDir
	}
	found := servant{owner: newOwner(os.Geteuid(), os.Getegid())}
	for _, u := range unit.All() {
		uid := u.UID()
		if uid < 0 || u.StateDirectory != filepath.Clean(stateDir) || len(found.units) > 0 && uid != found.owner.uid {
			continue
		}
		found.owner, found.units = newOwner(uid, uid), append(found.units, u)
	}
	return found
}

// plain says that the path is a regular file, and no link to where something else
// keeps its certificates.
func (s *start) plain(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// alone says that the directories of these files hold them and nothing else, and
// that nobody but root has put them there: only such ones are given to the service's
// user. /etc/ssl/private is none.
func alone(files []string) bool {
	return !slices.ContainsFunc(files, func(path string) bool {
		dir, err := openat.Open(filepath.Dir(path))
		if err != nil {
			return true
		}
		defer dir.Close()
		return dir.Owner() != 0 || !holdsOnly(dir, files)
	})
}

// holdsOnly says that nobody else can write in the directory, and that it holds
// none but these files.
func holdsOnly(dir *openat.Dir, files []string) bool {
	names, err := dir.Names()
	stranger := func(name string) bool { return !slices.Contains(files, filepath.Join(dir.Path(), name)) }
	return err == nil && dir.Others() == nil && !slices.ContainsFunc(names, stranger)
}

// targetFiles are the files that are to be installed.
func (s *start) targetFiles() []string {
	site := s.doc.Site
	return slices.DeleteFunc([]string{site.Fullchain, site.Key, site.Combined}, func(path string) bool { return path == "" })
}

// confirm shows what is to be written and done.
func (s *start) confirm(context.Context) error {
	text, err := s.doc.TOML()
	if err != nil {
		return err
	}
	s.say("\n%s\n\n", s.c.configPath)
	for line := range strings.Lines(text) {
		fmt.Fprint(s.c.stdout, "    ", line)
	}
	fmt.Fprintln(s.c.stdout)
	for _, dir := range s.directories() {
		s.say("%s becomes a directory of user %s, and the files of the certificate there, too\n", dir, s.service.owner.name)
	}
	if s.quiet || s.yes("Write this?") {
		return nil
	}
	return usageError{errors.New("nothing was written")}
}

// directories are those that the service's user is to be given.
func (s *start) directories() []string {
	if !s.service.apart() {
		return nil
	}
	var dirs []string
	for _, path := range s.targetFiles() {
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// write makes the directories; writes the secret and then the configuration, which
// names it; and tells the unit of the directories.
func (s *start) write(ctx context.Context) error {
	for _, path := range s.targetFiles() {
		if err := s.makeDirectory(filepath.Dir(path)); err != nil {
			return err
		}
	}
	if err := s.writeFiles(); err != nil {
		return errors.Join(err, s.takeBack())
	}
	return s.openUnit(ctx)
}

func (s *start) writeFiles() error {
	if s.secret != "" {
		if err := s.create(s.doc.SecretFile, s.secret+"\n", private); err != nil {
			return err
		}
	}
	text, err := s.doc.TOML()
	if err != nil {
		return err
	}
	if err := s.create(s.c.configPath, text, private); err != nil {
		return err
	}
	_, err = config.Load(s.c.configPath)
	return err
}

// private is the mode of what holds secrets or names them: the service's group may
// read it. public is that of a unit's file.
const (
	private fs.FileMode = 0o640
	public  fs.FileMode = 0o644
)

// create makes a file that is not there yet. It appears with its whole content or
// not at all.
func (s *start) create(path, text string, mode fs.FileMode) error {
	dir, err := s.openDirectory(filepath.Dir(path), mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Close()
	base := filepath.Base(path)
	staged := "." + base + ".new"
	if err := dir.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := dir.Create(staged)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Remove(staged)
	_, err = file.WriteString(text)
	if err == nil && s.service.apart() {
		err = errors.Join(file.Chown(0, s.service.owner.gid), file.Chmod(mode))
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = dir.Link(staged, base)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	s.made = append(s.made, path)
	s.say("wrote %s\n", path)
	return dir.Sync()
}

// openDirectory opens the directory of a file. One that is made here can be entered
// by those who are to read the file.
func (s *start) openDirectory(path string, mode fs.FileMode) (*openat.Dir, error) {
	_, missing := os.Lstat(path)
	entered := fs.FileMode(0o750)
	if mode == public {
		entered = 0o755
	}
	dir, err := openat.OpenOrMake(path, entered)
	if err != nil || missing == nil || !s.service.apart() {
		return dir, err
	}
	if err := dir.Give(0, s.service.owner.gid); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// takeBack removes what was written, and says so: the configuration is not sound or not
// whole, and the next init begins anew.
func (s *start) takeBack() error {
	for _, path := range slices.Backward(s.made) {
		dir, err := openat.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		err = dir.Remove(filepath.Base(path))
		dir.Close()
		if err != nil {
			return err
		}
		s.say("removed %s\n", path)
	}
	s.made = nil
	return nil
}

// makeDirectory makes a target's directory, and gives it with the certificate's
// files to the service's user.
func (s *start) makeDirectory(path string) error {
	dir, err := openat.OpenOrMake(path, 0o750)
	if err != nil {
		return fmt.Errorf("make the directory of a target: %w", err)
	}
	defer dir.Close()
	if !s.service.apart() || dir.Owner() == s.service.owner.uid {
		return nil
	}
	if !holdsOnly(dir, s.targetFiles()) {
		return usageError{hint.Add(fmt.Errorf("%s holds other files, too, and is not given to user %s", path, s.service.owner.name),
			"let that user write there, or move them, and run init again")}
	}
	for _, file := range s.targetFiles() {
		if filepath.Dir(file) != path {
			continue
		}
		if err := dir.GiveFile(filepath.Base(file), s.service.owner.uid); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return dir.Give(s.service.owner.uid, dir.Group())
}

const dropIn = "/etc/systemd/system/%s.d/targets.conf"

// openUnit lets the units write where certificates go.
func (s *start) openUnit(ctx context.Context) error {
	if !s.service.apart() {
		return nil
	}
	changed := false
	for _, u := range s.service.units {
		var lines []string
		for _, dir := range s.directories() {
			if !u.CanWrite(dir) {
				lines = append(lines, "ReadWritePaths=-"+dir)
			}
		}
		if len(lines) == 0 {
			continue
		}
		path := fmt.Sprintf(dropIn, u.Name)
		switch err := s.create(path, "[Service]\n"+strings.Join(lines, "\n")+"\n", public); {
		case errors.Is(err, fs.ErrExist):
			s.notes = append(s.notes, fmt.Sprintf("add to %s: %s", path, strings.Join(lines, " ")))
		case err != nil:
			return err
		}
		changed = true
	}
	if !changed {
		return nil
	}
	if err := systemctl(ctx, "daemon-reload"); err != nil {
		s.say("warn  systemd: %s\n", err.Error())
	}
	return nil
}

func systemctl(ctx context.Context, args ...string) error {
	return command.Run(ctx, command.Command{Argv: append([]string{"systemctl"}, args...), Env: command.BaseEnv(), Timeout: time.Minute}).Err
}

// again runs this program with another command, in front of the same person.
func (s *start) again(ctx context.Context, args ...string) error {
	self := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"--config", s.c.configPath}, args...)...)
	self.Args[0] = os.Args[0]
	self.Stdin, self.Stdout, self.Stderr = nil, s.c.stdout.to, s.c.stderr
	var exit *exec.ExitError
	if err := self.Run(); errors.As(err, &exit) {
		return exitError{exit.ExitCode()}
	} else if err != nil {
		return fmt.Errorf("run dvagent %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// start enables what is to do the renewals from now on.
func (s *start) start(ctx context.Context) error {
	how := map[string]string{"service": "dvagent.service", "timer": "dvagent-renew.timer"}
	if s.enable == "" && !s.quiet && len(s.service.units) > 0 && s.yes("Enable and start the service dvagent now?") {
		s.enable = "service"
	}
	if how[s.enable] == "" {
		s.say("then: dvagent renew, or let the service do it: systemctl enable --now dvagent\n")
		return nil
	}
	if err := systemctl(ctx, "enable", "--now", how[s.enable]); err != nil {
		return hint.Add(fmt.Errorf("enable %s: %w", how[s.enable], err), "systemctl enable --now "+how[s.enable])
	}
	s.say("%s is enabled\n", how[s.enable])
	return nil
}
