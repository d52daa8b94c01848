package dvagent_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// spoken are the packages whose texts people read. The others run in demos, in
// tests and in the sandbox, or only carry texts of these.
var spoken = []string{
	"agent", "agent/account", "agent/check", "agent/config", "agent/fleet", "agent/install", "agent/issue", "agent/issue/cas2018",
	"agent/issue/cas2020", "agent/notice", "agent/order", "agent/proof", "agent/rollout", "agent/share", "agent/state", "agent/upload",
	"agent/view", "cmd/dvagent", "cmd/dvagent/daemon", "dashboard", "deploy", "dnsvalidate", "filevalidate", "hooks", "notify", "internal/address",
	"internal/aliyun", "internal/asroot", "internal/bundle", "internal/command", "internal/hint", "internal/https", "internal/journal", "internal/users",
	"internal/nginx", "internal/openat", "internal/secret", "internal/words",
}

// unspoken are files whose texts programs read, or who speaks HTTP by hand.
var unspoken = []string{
	"cmd/dvagent/asroot.go", "cmd/dvagent/daemon/socket.go", "cmd/dvagent/daemon/systemd.go", "cmd/dvagent/examples.go",
	"cmd/dvagent/demo.go", "cmd/dvagent/help.go", "cmd/dvagent/manual.go", "cmd/dvagent/sandbox.go", "cmd/dvagent/version.go",
	"dashboard/guard.go", "dashboard/metrics.go", "dashboard/serve.go",
}

// Every text that people read stands in the catalogue of Chinese, and the
// catalogue holds no other.
func TestEachTextForPeopleIsInTheCatalogue(t *testing.T) {
	var catalogue map[string]string
	if _, err := toml.DecodeFile("internal/message/zh.toml", &catalogue); err != nil {
		t.Fatal(err)
	}
	texts := textsForPeople(t)
	textsOfPages(t, texts)
	help := sourcesOfHelp(t)
	for text, at := range texts {
		if catalogue[text] == "" {
			t.Errorf("%s: %q has no translation", at, text)
		}
	}
	for text := range catalogue {
		if texts[text] == "" && !strings.Contains(help, text) && isText(text) && !counted.MatchString(text) && !slices.Contains(systems, text) {
			t.Errorf("%q is translated, and nobody says it", text)
		}
	}
}

// counted is what package words makes of a number and a noun.
var counted = regexp.MustCompile(`^(%d|1) [a-zA-Z ]+$`)

// systems are errors of the system, which Go puts into words.
var systems = []string{
	"no such file or directory", "permission denied", "connection refused", "is a directory", "file exists", "read-only file system",
	"no space left on device", "device or resource busy", "file too large", "not a directory", "too many levels of symbolic links", "i/o timeout", "context deadline exceeded", "operation not permitted",
}

// wire are constants of protocols and formats that look like texts.
var wire = []string{
	"CertId", "CertIdentifier", "application/json; charset=utf-8", "text/html; charset=utf-8", "2006-01-02 15:04 UTC", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
	"ENCRYPTED PRIVATE KEY", "CERTIFICATE REQUEST", "inode %d:%d", "EC PARAMETERS", "OPENSSH PRIVATE KEY",
	"X509 CERTIFICATE", "TRUSTED CERTIFICATE", "AccessKey ID", "AccessKey Secret", "dvagent-journal %d", "%w: %d bytes", "exit %d", "%.1f ms", "%d ms",
	"expected end of table", "has already been defined.", // what the decoder of TOML says
	"* OK", "a OK", "remote error", "etcd %d", "# dvagent-fleet: the same on its hosts, and nowhere else", "EHLO %s", "GET %s", "PROXY %s %s %s %d %d", "2006-01-02 15:04 MST", "2006-01-02 15:04:05 MST",
}

// cobras are texts of cobra.
var cobras = []string{
	"Generate the autocompletion script for the specified shell",
	"Generate the autocompletion script for %s for the specified shell.",
	"See each sub-command's help for details on how to use the generated script.",
	"Generate the autocompletion script for %s",
	"Generate the autocompletion script for the %s shell.",
	"This script depends on the 'bash-completion' package.",
	"If it is not installed already, you can install it via your OS's package manager.",
	"To load completions in your current shell session:",
	"To load completions for every new session, execute once:",
	"You will need to start a new shell for this setup to take effect.",
	"If shell completion is not already enabled in your environment you will need",
	"to enable it.  You can execute the following once:",
	"To load completions for every new session, add the output of the above command",
	"to your powershell profile.",
	"disable completion descriptions",
}

// sourcesOfHelp are the sources with what --help says, where cmd/dvagent has a test
// that each text is translated; and cobra's own texts.
func sourcesOfHelp(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("cmd/dvagent/*.go")
	if kinds, _ := filepath.Glob("internal/sandbox/fault*.go"); err == nil {
		names = append(names, kinds...)
	}
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	sources := strings.Join(cobras, "\n")
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources += string(source)
	}
	return sources
}

// said is a text in a page.
var said = regexp.MustCompile(`\{\{say "([^"]*)"`)

// textsOfPages adds what the pages of the dashboard say, and the first configuration.
func textsOfPages(t *testing.T, texts map[string]string) {
	t.Helper()
	pages, err := filepath.Glob("dashboard/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	pages = append(pages, "agent/setup/agent.toml.tmpl")
	for _, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range said.FindAllSubmatch(page, -1) {
			texts[string(match[1])] = name
		}
	}
}

// word is one of two letters or more, so that layouts of columns and times are none.
var (
	word = regexp.MustCompile(`\pL{2,}`)
	verb = regexp.MustCompile(`%(\[\d+\])?[-+ #0]*[\d.]*[a-zA-Z]`)
)

// isText tells a text for people from names, keys and layouts: it has a word and
// a space, once the verbs of package fmt are left out.
func isText(text string) bool {
	return strings.Contains(text, " ") && !slices.Contains(wire, text) && !strings.HasPrefix(text, "\x00") && word.MatchString(verb.ReplaceAllString(text, ""))
}

// textsForPeople returns where each one stands.
func textsForPeople(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files := token.NewFileSet()
	for _, dir := range spoken {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s has no files: %v", dir, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || slices.Contains(unspoken, name) {
				continue
			}
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if forOthers(n) {
					return false
				}
				if name := fieldOf(n); name != "" && !slices.Contains(wire, name) {
					found[name] = files.Position(n.Pos()).String()
				}
				expression, _ := n.(ast.Expr)
				text, whole := textOf(expression)
				if text = strings.TrimSpace(text); whole && isText(text) {
					found[text] = files.Position(n.Pos()).String()
				}
				return !whole
			})
		}
	}
	return found
}

// fieldOf is the name that a call of statusPrinter gives to a field, which may be a
// single word.
func fieldOf(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	at := 0
	switch {
	case ok && method.Sel.Name == "under":
		at = 1
	case !ok || method.Sel.Name != "field":
		return ""
	}
	if len(call.Args) <= at {
		return ""
	}
	name, _ := textOf(call.Args[at])
	return name
}

var (
	logs  = []string{"Debug", "Info", "Warn", "Error", "Log"}
	helps = []string{"Use", "Short", "Long", "Example"}
)

// forOthers says that what stands below n is read by programs and by engineers:
// tags, imports, lines of log, panics, and the help of commands, which the manual is made of.
func forOthers(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.Field:
		return true
	case *ast.KeyValueExpr:
		key, ok := n.Key.(*ast.Ident)
		return ok && slices.Contains(helps, key.Name)
	case *ast.CallExpr:
		switch f := n.Fun.(type) {
		case *ast.Ident:
			return f.Name == "panic" || f.Name == "durationVar"
		case *ast.SelectorExpr:
			return slices.Contains(logs, f.Sel.Name) || strings.HasSuffix(f.Sel.Name, "Var") || f.Sel.Name == "MustCompile"
		}
	}
	return false
}

// textOf is a string as the sources write it; what is no literal in it is "%s".
func textOf(e ast.Expr) (text string, whole bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.BinaryExpr:
		x, okX := textOf(e.X)
		y, okY := textOf(e.Y)
		if e.Op != token.ADD || !okX && !okY {
			return "", false
		}
		return strings.ReplaceAll(orHole(x, okX)+orHole(y, okY), "%s%s", "%s"), true
	}
	return "", false
}

func orHole(text string, known bool) string {
	if known {
		return text
	}
	return "%s"
}
