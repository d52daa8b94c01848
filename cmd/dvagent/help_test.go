package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var han = regexp.MustCompile(`\p{Han}`)

// prose is a line of words, which is neither a command to type nor a name.
var prose = regexp.MustCompile(`^(  [a-z0-9-]+ +)?[A-Za-z0-9][A-Za-z0-9\',.;:-]* [a-z]+\b`)

func TestHelpIsReadInTheLanguageOfTheEnvironment(t *testing.T) {
	t.Setenv("LC_ALL", "zh_CN.UTF-8")
	var look func(path ...string)
	look = func(path ...string) {
		code, out, stderr := dvagent(t, append(path, "--help")...)
		if code != exitOK || stderr != "" {
			t.Errorf("%q: exit code %d, %s", path, code, stderr)
		}
		commands, flags := false, false
		for _, line := range strings.Split(out, "\n") {
			switch {
			case regexp.MustCompile(`^(Usage|Flags|Global Flags|Examples|Available Commands):|\(default `).MatchString(line):
				t.Errorf("%q: %q is English", path, line)
			case line == "命令：":
				commands = true
			case line == "选项：", line == "全局选项：":
				flags = true
			case line == "":
				commands, flags = false, false
			case commands:
				look(append(path[:len(path):len(path)], strings.Fields(line)[0])...)
			}
			if prose.MatchString(line) && !strings.HasPrefix(line, "  code-") && !strings.HasPrefix(line, "  dvagent ") && !han.MatchString(line) {
				t.Errorf("%q: %q has no translation", path, line)
			}
			line = strings.Split(line, "（默认 ")[0]
			if strings.Contains(line, " # ") && !han.MatchString(line) {
				t.Errorf("%q: the example %q has no translation", path, line)
			}
			flag := flags && strings.HasPrefix(strings.TrimSpace(line), "-")
			if (commands || flag) && line != "" && !han.MatchString(line) {
				t.Errorf("%q: %q has no translation", path, line)
			}
		}
		if first, _, _ := strings.Cut(out, "\n"); !han.MatchString(first) {
			t.Errorf("%q: %q has no translation", path, first)
		}
	}
	look()
}

func TestHelpStaysEnglishElsewhere(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	if _, out, _ := dvagent(t, "renew", "--help"); han.MatchString(out) || !strings.Contains(out, "Usage:") {
		t.Error(out)
	}
}

// The manual is made of the same texts, wherever it is made.
func TestTheManualStaysEnglish(t *testing.T) {
	t.Setenv("LC_ALL", "zh_CN.UTF-8")
	if page := must(os.ReadFile(filepath.Join(writeManual(t), "dvagent-renew.8"))); han.Match(page) {
		t.Error("the manual is not English")
	}
}
