package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"dvagent/internal/line"
)

// Failure is the error of a command that did not end with exit status 0. Its
// text is one line, which quotes the most telling line of the output.
type Failure struct {
	Program  string // argument 0; the others may hold a secret
	ExitCode int    // -1 when it was not started, was killed or was stopped
	Output   string // its last KiB at most: lines of printable text without a private key
	cause    error
}

// NewFailure is of a command that another process ran. cause names the program
// and how it ended.
func NewFailure(program string, exitCode int, output string, cause error) *Failure {
	return &Failure{program, exitCode, readable(withoutPrivateKeys(output)), cause}
}

func (f *Failure) Error() string {
	if told := tellingLine(f.Output); told != "" {
		return fmt.Sprintf("%v (%q)", f.cause, told)
	}
	return f.cause.Error()
}

func (f *Failure) Unwrap() error { return f.cause }

// Cause is the program and its exit code, or why it did not end by itself: it
// was not found, ran into its time limit, and so on. It leaves out the output,
// which may tell times and process numbers, so that it is the same for two
// failures that are news only once. Whoever decides what is news finds it by
// errors.As with an interface{ Cause() string }.
func (f *Failure) Cause() string { return f.cause.Error() }

const (
	maxFailureOutput = 1 << 10
	maxTellingLine   = 300
)

// telling finds the line that says why, the best pattern first: nginx's reason
// for refusing a configuration, before which it may write an unrelated [alert];
// then any complaint.
var telling = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`\[emerg\]`),
		regexp.MustCompile(`(?i)\b(alert|error|fatal|failed|denied|invalid)\b`),
	}
})

// tellingLine is the first complaint, as later ones often say no more than "test
// failed"; without any, it is the last line.
func tellingLine(output string) string {
	lines := strings.Split(output, "\n")
	told := lines[len(lines)-1]
	for _, words := range telling() {
		if i := slices.IndexFunc(lines, words.MatchString); i >= 0 {
			told = lines[i]
			break
		}
	}
	told = strings.TrimSpace(told)
	return strings.ToValidUTF8(told[:min(len(told), maxTellingLine)], "")
}

// readable returns the last lines of output, fit to be kept and shown: without
// anything that moves a terminal's cursor or may be a private key.
func readable(output string) string {
	var lines []string
	for text := range strings.Lines(withoutSuspects(output)) {
		lines = append(lines, strings.TrimRight(line.Of(text), " "))
	}
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	start := max(0, len(text)-maxFailureOutput)
	for start < len(text) && !utf8.RuneStart(text[start]) {
		start++
	}
	return text[start:]
}

// A private key in PEM may lack its end, if the command was stopped, or its
// beginning, if that came before the part of the output that is kept.
var (
	keyBlock = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)
	})
	keyRest = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`([ \t]*[A-Za-z0-9+/=]+[ \t]*(\r?\n|\\n))*[ \t]*-----END [A-Z0-9 ]*PRIVATE KEY-----`)
	})
)

const redacted = "[a private key]"

func withoutPrivateKeys(output string) string {
	return keyRest().ReplaceAllString(keyBlock().ReplaceAllString(output, redacted), redacted)
}

// What a key is when it is not PEM: lines of base64, as in a manifest of Kubernetes,
// and a dump of openssl's. Fingerprints are written otherwise, and stay.
var (
	base64Line = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9+/]{60,}=*`) })
	upperCase  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[G-Z]`) })
	hexDump    = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`[0-9a-f]{2}(:[0-9a-f]{2}){14,}:?(\r?\n[ \t]*[0-9a-f]{2}(:[0-9a-f]{2})*:?)*`)
	})
)

const suspected = "[what may be a private key]"

// withoutSuspects is for what is shown alone: what is read by dvagent, such as
// nginx's configuration, may have long words.
func withoutSuspects(output string) string {
	output = base64Line().ReplaceAllStringFunc(output, func(run string) string {
		if !upperCase().MatchString(run) {
			return run
		}
		return suspected
	})
	return hexDump().ReplaceAllString(output, suspected)
}
