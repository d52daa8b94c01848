package config

import (
	"errors"
	"fmt"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/spelling"
	"dvagent/notify"
)

// What was likely meant by a value that cannot be used.

// noneOf is the error about a value that is none of those that there are.
func noneOf(value string, known []string) error {
	options := strings.Join(known, ", ")
	if value == "" {
		return hint.Add(errors.New("is missing"), "it is one of "+options)
	}
	err := fmt.Errorf("%q is none of %s", value, options)
	if near := spelling.Nearest(value, known); near != "" {
		return hint.Add(err, fmt.Sprintf("did you mean %q?", near))
	}
	return err
}

// choices are the keys whose values are one word of a few, and these words.
func choices() map[string][]string {
	return map[string][]string{"cas_api": casAPIs, "key_type": bundle.KeyTypes(), "key_format": keyFormats, "kind": notify.Kinds,
		"private_key": {"host", "cas"}, "validation": {"dns", "file"}, "language": languages}
}

// pathHint is what to do about a path that is not absolute.
func pathHint(given string) string {
	switch trimmed := strings.TrimSpace(given); {
	case trimmed != given && path.IsAbs(trimmed):
		return fmt.Sprintf("did you mean %q?", trimmed)
	case strings.HasPrefix(given, "~"):
		return "write the home directory in full, such as /root"
	}
	return "write it in full, from / on"
}

// spelledOut are units as people write them, the longer ones first.
var spelledOut = strings.NewReplacer("days", "d", "day", "d", "天", "d", "hours", "h", "hour", "h", "小时", "h",
	"minutes", "m", "minute", "m", "mins", "m", "min", "m", "分钟", "m", "seconds", "s", "second", "s", "sec", "s", "秒", "s", " ", "")

// durationHint is a duration that was likely meant.
func durationHint(given string) string {
	text := spelledOut.Replace(strings.ToLower(given))
	if weeks, found := strings.CutSuffix(text, "w"); found {
		var n int
		if _, err := fmt.Sscanf(weeks, "%d", &n); err == nil {
			text = fmt.Sprintf("%dd", 7*n)
		}
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil && n > 0 {
		return "a unit is missing behind it: s, m, h or d"
	}
	if _, err := parseDuration(text); err != nil || text == given {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", text)
}

// beforeHost is a scheme.
var beforeHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9+]*://`) })

// addressHint is host:port that was likely meant; port is the usual one, or "".
func addressHint(given, port string) string {
	host := strings.TrimSpace(strings.ReplaceAll(given, "：", ":"))
	host = strings.TrimRight(beforeHost().ReplaceAllString(host, ""), "/")
	if port != "" && strings.Trim(host, ":") == port {
		host = "127.0.0.1"
	}
	likely := []string{host}
	if bare := strings.Trim(host, "[]"); port != "" && (!strings.Contains(bare, ":") || net.ParseIP(bare) != nil) {
		likely = append(likely, net.JoinHostPort(bare, port))
	}
	for _, text := range likely {
		if _, _, err := address.Split(text); err == nil && text != given {
			return fmt.Sprintf("did you mean %q?", text)
		}
	}
	return ""
}

// afterHost is what stands behind a name in a URL.
var afterHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[:/].*$`) })

// domainHint is what to do about a text that is no domain name.
func domainHint(given string) string {
	var names []string
	for _, word := range strings.FieldsFunc(given, func(r rune) bool { return strings.ContainsRune(" \t\n,;，、；", r) }) {
		word = strings.Trim(beforeHost().ReplaceAllString(strings.ReplaceAll(word, "＊", "*"), ""), `"'“”‘’`)
		word = strings.TrimPrefix(afterHost().ReplaceAllString(word, ""), ".")
		if rest, found := strings.CutPrefix(word, "*"); found {
			word = "*." + strings.TrimLeft(rest, ".")
		}
		if _, err := normalise(word); err != nil {
			return ""
		}
		names = append(names, fmt.Sprintf("%q", word))
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", strings.Join(names, ", "))
}
