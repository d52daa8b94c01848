package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"dvagent/internal/line"
)

// Failure is the error of a command that did not end with exit status 0. Its
// text is one line, and quotes the line of the output that tells most.
type Failure struct {
	Program  string // argument 0; the others may hold a secret
	ExitCode int    // -1 when it was not started, was killed or was stopped
	Output   string // its last KiB at most: lines of printable text without a private key
	cause    error
}

func (f *Failure) Error() string {
	if told := tellingLine(f.Output); told != "" {
		return fmt.Sprintf("%v (%q)", f.cause, told)
	}
	return f.cause.Error()
}

func (f *Failure) Unwrap() error { return f.cause }

const (
	maxFailureOutput = 1 << 10
	maxTellingLine   = 300
)

// What tells why, the best first: nginx's reason to refuse a configuration,
// before which it may write an [alert] that is none; then any complaint.
var telling = []*regexp.Regexp{
	regexp.MustCompile(`\[emerg\]`),
	regexp.MustCompile(`(?i)\b(alert|error|fatal|failed|denied|invalid)\b`),
}

// tellingLine is the first complaint, since those that follow often say only
// that there was one, as "test failed" does; or else the last line.
func tellingLine(output string) string {
	lines := strings.Split(output, "\n")
	told := lines[len(lines)-1]
	for _, words := range telling {
		if i := slices.IndexFunc(lines, words.MatchString); i >= 0 {
			told = lines[i]
			break
		}
	}
	told = strings.TrimSpace(told)
	return strings.ToValidUTF8(told[:min(len(told), maxTellingLine)], "")
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
	keyRest  = regexp.MustCompile(`([ \t]*[A-Za-z0-9+/=]+[ \t]*(\r?\n|\\n))*[ \t]*-----END [A-Z0-9 ]*PRIVATE KEY-----`)
)

const redacted = "[a private key]"

func withoutPrivateKeys(output string) string {
	return keyRest.ReplaceAllString(keyBlock.ReplaceAllString(output, redacted), redacted)
}
