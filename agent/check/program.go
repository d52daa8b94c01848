package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"dvagent/internal/command"
	"dvagent/internal/openat"
)

// checkCommand looks at a program that the configuration names: whether it would
// start, and who else could change what it does.
func checkCommand(subject string, argv []string) []Finding {
	path, err := command.LookPath(argv)
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	findings := []Finding{{Subject: subject, OK: path + " can be run"}}
	for _, file := range append([]string{path}, scripts(argv)...) {
		if others := openat.Others(file); others != nil {
			findings = append(findings, Finding{Subject: subject, Warning: true, Err: fmt.Errorf("%s runs with dvagent's rights, and others can change it: %w", file, others)})
		}
	}
	return findings
}

// interpreters run the file that their first argument names.
var interpreters = []string{"sh", "bash", "dash", "ash", "ksh", "zsh", "python", "python3", "perl", "ruby", "node", "php"}

// scripts are the files that an interpreter is given.
func scripts(argv []string) []string {
	if !slices.Contains(interpreters, filepath.Base(argv[0])) {
		return nil
	}
	for _, arg := range argv[1:] {
		switch {
		case filepath.IsAbs(arg):
			return []string{arg}
		case arg == "-c" || !strings.HasPrefix(arg, "-"):
			return nil
		}
	}
	return nil
}
