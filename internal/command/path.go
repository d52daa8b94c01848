package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dvagent/internal/hint"
)

const (
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultHome = "/"
	defaultLang = "C.UTF-8"
)

// BaseEnv is this process's PATH, HOME and LANG, with defaults for those that are
// not set, and nothing else.
func BaseEnv() []string {
	variable := func(name, otherwise string) string {
		if value := os.Getenv(name); value != "" {
			otherwise = value
		}
		return name + "=" + otherwise
	}
	return []string{variable("PATH", defaultPath), variable("HOME", defaultHome), variable("LANG", defaultLang)}
}

// LookPath finds the program that Run would start for argv with BaseEnv. The
// error says whether it is missing, not executable or a relative path.
func LookPath(argv []string) (string, error) { return lookPath(argv, BaseEnv()) }

func lookPath(argv, env []string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", errors.New("run command: it is empty")
	}
	name := argv[0]
	if filepath.IsAbs(name) {
		return executable(name)
	}
	if strings.Contains(name, "/") {
		return "", hint.Add(fmt.Errorf("run %s: a relative path", name),
			"commands run in /: give the absolute path")
	}
	for _, dir := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(dir) {
			continue // an empty or relative entry means wherever we happen to be
		}
		if path, err := executable(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", hint.Add(fmt.Errorf("run %s: not found in PATH", name),
		"install it, or give the absolute path")
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
