package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/command"
	"dvagent/internal/openat"
)

// programs remember what was found of each command: many deployments have the same.
type programs struct {
	mu    sync.Mutex
	known map[string][]Finding
}

// check is checkCommand.
func (p *programs) check(subject string, argv []string) []Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.Join(argv, "\x00")
	found, known := p.known[key]
	if !known {
		found = checkCommand(subject, argv)
		if p.known == nil {
			p.known = map[string][]Finding{}
		}
		p.known[key] = found
	}
	findings := slices.Clone(found)
	for i := range findings {
		findings[i].Subject = subject
	}
	return findings
}

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
