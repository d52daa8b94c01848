package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"dvagent/agent/config"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/page"
)

func pages(t *testing.T) []page.Page {
	t.Helper()
	read, err := page.Documentation("../..")
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// Each command that a page shows is one of this program, with flags that it has.
func TestTheDocsShowCommandsThatThereAre(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		shown := p.Spans
		for _, b := range p.Blocks {
			if b.Language == "sh" {
				shown = append(shown, b.Line)
			}
		}
		for _, s := range shown {
			for _, args := range commandsIn(s.Text) {
				seen++
				if err := parse(args); err != nil {
					t.Errorf("%s:%d: dvagent %s: %v", p.Path, s.Number, strings.Join(args, " "), err)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d commands are too few to be all", seen)
	}
}

var (
	joint   = regexp.MustCompile(`\\\n *`)
	between = regexp.MustCompile(`\n|&&|\|\||[;|]`)
	aside   = regexp.MustCompile(`(^|\s)(#.*|[<>]\s*\S+)`) // a comment, a redirection
	word    = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
)

// commandsIn are the arguments of each call of dvagent in a shell's text, which is
// as plain as an operator types it.
func commandsIn(text string) [][]string {
	var found [][]string
	for _, command := range between.Split(joint.ReplaceAllString(text, " "), -1) {
		words := word.FindAllString(aside.ReplaceAllString(command, " "), -1)
		for len(words) > 0 && (words[0] == "sudo" || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		if len(words) > 1 && (words[0] == "dvagent" || strings.HasSuffix(words[0], "/dvagent")) {
			for i := range words {
				words[i] = strings.Trim(words[i], `'"`)
			}
			found = append(found, words[1:])
		}
	}
	return found
}

// parse reads a command line, and runs nothing.
func parse(args []string) error {
	root := new(cli).command()
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); errors.Is(err, pflag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	left := cmd.Flags().Args()
	if cmd == root && len(left) > 0 {
		return fmt.Errorf("there is no command %s", left[0])
	}
	if cmd.HasSubCommands() && cmd != root && len(left) > 0 {
		return fmt.Errorf("%s has no command %s", cmd.Name(), left[0])
	}
	if len(left) == 0 {
		return nil // it is spoken of, and its names are left out
	}
	return cmd.ValidateArgs(left)
}

func TestTheExamplesOfHelpAreCommandsThatThereAre(t *testing.T) {
	for name, text := range examples {
		for _, args := range commandsIn(text) {
			if err := parse(args); err != nil {
				t.Errorf("%s: dvagent %s: %v", name, strings.Join(args, " "), err)
			}
		}
	}
}

func TestTheDocsNameEachCommand(t *testing.T) {
	text := string(must(os.ReadFile("../../docs/commands.md")))
	for _, cmd := range new(cli).command().Commands() {
		if cmd.IsAvailableCommand() && !regexp.MustCompile("(?m)^\\|.*`"+cmd.Name()+"\\b").MatchString(text) {
			t.Errorf("no row of commands.md begins with %s", cmd.Name())
		}
	}
}

// What a page shows of agent.toml is loaded as it stands; a part of one is put
// beside the tables that it lacks.
func TestTheDocsShowConfigurationsThatAreSound(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			if b.Language != "toml" {
				continue
			}
			seen++
			if _, err := config.Load(completed(t, b.Text)); err != nil {
				t.Errorf("%s:%d: %v", p.Path, b.Number, err)
			}
		}
	}
	if seen < 5 {
		t.Errorf("%d configurations are too few to be all", seen)
	}
}

// completed writes a configuration with what the text lacks, and the secrets that
// it names.
func completed(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	has := func(table string) bool { return regexp.MustCompile(`(?m)^\[+` + table).MatchString(text) }
	if !has(`certificate\]`) {
		domains := "[[certificate]]\nname = \"other\"\ndomains = [\"example.com\"]\n"
		if regexp.MustCompile(`(?m)^ *\[\[certificate\.deploy`).MatchString(text) || regexp.MustCompile(`^[a-z_]+ = `).MatchString(text) {
			text = domains + text
		} else {
			text += domains
		}
	}
	if !has("contact") {
		text += "[contact.ops]\nusername = \"Zhang San\"\nmobile = \"13300000000\"\nemail = \"ops@example.com\"\nprovince = \"zhejiang\"\ncity = \"hangzhou\"\n"
	}
	if !has("account") {
		text += "[account.main]\naccess_key_id = \"LTAIexample\"\naccess_key_secret_file = \"/etc/dvagent/secret\"\n"
	}
	for _, file := range regexp.MustCompile(`(\w*)_file = "/etc/dvagent/([^"]+)"`).FindAllStringSubmatch(text, -1) {
		content := []byte("https://example.com/not-a-secret\n")
		if file[1] == "ca" {
			content = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bundletest.NewCA(t, "etcd").Root.Raw})
		}
		if err := os.WriteFile(filepath.Join(dir, file[2]), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "/etc/dvagent", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The blocks of a page that are marked with <!-- run --> are a story: they run one
// after the other in front of a sandbox, and each ends well.
func TestTheDocsCommandsRun(t *testing.T) {
	stories := t.TempDir()
	for _, p := range pages(t) {
		script, files := "sandbox --cas-api 2020-04-07 --issue-after 1s\n", "" // such that no two certificates are of one second
		for _, b := range p.Blocks {
			if b.Mark == "run" && !strings.HasPrefix(p.Path, "docs/zh/") {
				script += fmt.Sprintf("exits 0 sh -eu line%d\n", b.Number)
				files += fmt.Sprintf("-- line%d --\n%s", b.Number, b.Text)
			}
		}
		if files == "" {
			continue
		}
		name := strings.ReplaceAll(strings.TrimSuffix(p.Path, ".md"), "/", "_") + ".txtar"
		if err := os.WriteFile(filepath.Join(stories, name), []byte(script+files), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	play(t, stories)
}

var symptom = regexp.MustCompile(`(?m)^\| ([^|]+) \|[^|]*\|[^|]*\|$`)

// What troubleshooting.md quotes is what the program says, or a server, in English
// or, in the translation, in Chinese.
func TestTroubleshootingQuotesWhatIsSaid(t *testing.T) {
	said := sources(t) + string(must(os.ReadFile("../../internal/message/zh.toml"))) // with what the system says
	for _, name := range []string{"docs/troubleshooting.md", "docs/zh/troubleshooting.md"} {
		text := string(must(os.ReadFile(filepath.Join("../..", name))))
		seen := 0
		for _, row := range symptom.FindAllStringSubmatch(text, -1) {
			for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				seen++
				for piece := range strings.SplitSeq(quoted[1], "…") {
					if !strings.Contains(said, strings.Trim(piece, " ")) {
						t.Errorf("%s: nothing in the sources says %q of %q", name, piece, quoted[1])
					}
				}
			}
		}
		if seen < 80 {
			t.Errorf("%s: %d texts are too few to be all", name, seen)
		}
	}
}

// sources are the texts of all packages, without their tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
