package command

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"dvagent/internal/line"
)

// Failure is the error of a command that did not end with exit status 0. Its
// text is one line, and quotes the last line that the command wrote.
type Failure struct {
	Program  string // argument 0; the others may hold a secret
	ExitCode int    // -1 when it was not started, was killed or was stopped
	Output   string // its last KiB at most: lines of printable text without a private key
	cause    error
}

func (f *Failure) Error() string {
	if last := lastLine(f.Output); last != "" {
		return fmt.Sprintf("%v (%q)", f.cause, last)
	}
	return f.cause.Error()
}

func (f *Failure) Unwrap() error { return f.cause }

const (
	maxFailureOutput = 1 << 10
	maxLastLine      = 200
)

func lastLine(output string) string {
	last := strings.TrimSpace(output[strings.LastIndexByte(output, '\n')+1:])
	return strings.ToValidUTF8(last[:min(len(last), maxLastLine)], "")
}

// readable makes output fit to be kept and shown: its last lines, in which
// nothing moves a terminal's cursor.
func readable(output string) string {
	var lines []string
	for text := range strings.Lines(output) {
		lines = append(lines, strings.TrimRight(line.Of(text), " "))
	}
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	start := max(0, len(text)-maxFailureOutput)
	for start < len(text) && !utf8.RuneStart(text[start]) {
		start++
	}
	return text[start:]
}

// A block of a private key in PEM may have lost its end, when the command was
// stopped, or its beginning, when output came before the part that is kept.
var (
	keyBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)
	keyRest  = regexp.MustCompile(`([A-Za-z0-9+/=]+(\r?\n|\\n))*-----END [A-Z0-9 ]*PRIVATE KEY-----`)
)

const redacted = "[a private key]"

func withoutPrivateKeys(output string) string {
	return keyRest.ReplaceAllString(keyBlock.ReplaceAllString(output, redacted), redacted)
}
