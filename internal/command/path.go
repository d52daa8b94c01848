package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"dvagent/internal/hint"
)

const (
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultHome = "/"
	defaultLang = "C.UTF-8"
)

// BaseEnv is a PATH, HOME and LANG for commands, and nothing else. HOME and LANG
// are this process's, or a default. PATH is that of a system's service, wherever
// this process was started from: cron's lacks sbin, where nginx and many
// servers' tools are. What this process's own PATH has comes first.
func BaseEnv() []string {
	return []string{
		"PATH=" + completePath(os.Getenv("PATH")),
		"HOME=" + cmp.Or(os.Getenv("HOME"), defaultHome),
		"LANG=" + cmp.Or(os.Getenv("LANG"), defaultLang),
	}
}

// completePath is inherited without its relative entries, which would mean
// wherever a command happens to be, and with the default directories that it
// lacks.
func completePath(inherited string) string {
	dirs := slices.DeleteFunc(filepath.SplitList(inherited), func(dir string) bool { return !filepath.IsAbs(dir) })
	for _, dir := range filepath.SplitList(defaultPath) {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}

// LookPath finds the program that Run would start for argv with BaseEnv. The
// error says whether it is missing, not executable or a relative path.
func LookPath(argv []string) (string, error) { return lookPath(argv, BaseEnv()) }

func lookPath(argv, env []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", errors.New("run command: it is empty")
	}
	path, err := find(argv[0], env)
	if err == nil {
		err = startable(path, env)
	}
	return path, err
}

func find(name string, env []string) (string, error) {
	if filepath.IsAbs(name) {
		return executable(name)
	}
	if strings.Contains(name, "/") {
		return "", hint.Add(fmt.Errorf("run %s: a relative path", name),
			"commands run in /: give the absolute path")
	}
	for _, dir := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(dir) {
			continue // of an Env that is not BaseEnv's
		}
		if path, err := executable(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	advice := "install it, or give the absolute path"
	if strings.Contains(name, " ") {
		advice = "put each of its arguments in quotes of its own"
	}
	return "", hint.Add(fmt.Errorf("run %s: not found in PATH", name), advice)
}

func executable(path string) (string, error) {
	found, err := exec.LookPath(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("run %s: it is missing", path)
	case errors.Is(err, fs.ErrPermission):
		return "", hint.Add(fmt.Errorf("run %s: not executable", path), "chmod +x "+path)
	case err != nil:
		return "", fmt.Errorf("run %s: %w", path, errors.Unwrap(err))
	}
	return found, nil
}

func pathOf(env []string) string {
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			return value
		}
	}
	return defaultPath
}
