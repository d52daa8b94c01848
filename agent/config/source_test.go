package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loadWith loads the sound configuration with files beside it, which are named
// relative to agent.toml.
func loadWith(t *testing.T, files map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	files["agent.toml"] = sound
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "agent.toml"))
}

func certificateText(name string) string {
	return fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [\"%s.example.org\"]\n", name, name)
}

func TestFilesOfConfDAreReadInTheOrderOfTheirNames(t *testing.T) {
	c, err := loadWith(t, map[string]string{
		"conf.d/20-b.toml":     certificateText("b1") + certificateText("b2"),
		"conf.d/10-a.toml":     certificateText("a") + "[[hook]]\non = [\"issued\"]\ncommand = [\"/bin/true\"]\n",
		"conf.d/30-empty.toml": "",
		"conf.d/notes.txt":     "not TOML",
		"conf.d/.20-b.toml":    "what an editor left",
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, certificate := range c.Certificates {
		names = append(names, certificate.Name)
	}
	if got := strings.Join(names, " "); got != "www shop a b1 b2" || len(c.Hooks) != 1 {
		t.Errorf("certificates %s, %d hooks", got, len(c.Hooks))
	}
}

func TestWhatIsWrongInConfDIsNamedWithItsFileLineAndKey(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		key, says  string
	}{
		{"an unknown key", certificateText("a") + "renew_befor = \"30d\"\n", 4, "certificate[0].renew_befor", "unknown key"},
		{"broken syntax", "[[certificate]]\nname = \"a\n", 2, "certificate[0].name", ""},
		{"a wrong type in the second of two", certificateText("a") + "[[certificate]]\nname = 7\n", 5, "certificate[1].name", ""},
		{"a bad domain", "\n" + strings.Replace(certificateText("a"), "a.example", "a..example", 1), 4, "certificate[0].domains", ""},
		{"a bad hook", "[[hook]]\non = [\"often\"]\ncommand = [\"/x\"]\n", 2, "hook[0].on", ""},
		{"an account", "[account.other]\naccess_key_id = \"x\"\n", 1, "account.other", "belongs into agent.toml"},
		{"a limit", "[limits]\nparallel_orders = 3\n", 1, "limits", "belongs into agent.toml"},
		{"a key of the top", "state_dir = \"/x\"\n", 1, "state_dir", "belongs into agent.toml"},
		{"a channel", "[[notify]]\nname = \"x\"\n", 1, "notify[0]", "belongs into agent.toml"},
		{"a name that agent.toml has", certificateText("shop"), 2, "certificate[0].name", `agent.toml:17)`},
		{"a name that another file has", certificateText("z"), 2, "certificate[0].name", `a.toml:2)`},
		{"a name that the same file has", certificateText("a") + certificateText("a"), 5, "certificate[1].name", "already that of certificate[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadWith(t, map[string]string{"conf.d/a.toml": "\n" + certificateText("z"), "conf.d/b.toml": tt.text})
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v", err)
			}
			if filepath.Base(wrong.File) != "b.toml" || wrong.Line != tt.line || wrong.Key != tt.key || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %s:%d %s: %v", wrong.File, wrong.Line, wrong.Key, err)
			}
		})
	}
}

func TestEachFileOfConfDMustBePrivate(t *testing.T) {
	outside := t.TempDir()
	for _, tt := range []struct {
		name   string
		spoil  func(dir string) error
		advice string
	}{
		{"others read the second file", func(dir string) error { return os.Chmod(filepath.Join(dir, "b.toml"), 0o644) }, "chmod o-rw "},
		{"others write the directory", func(dir string) error { return os.Chmod(dir, 0o777) }, "chmod o-w "},
		{"others write where a symlink leads", func(dir string) error {
			path := filepath.Join(outside, "open", "b.toml")
			return errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Rename(filepath.Join(dir, "b.toml"), path),
				os.Chmod(filepath.Dir(path), 0o777), os.Symlink(path, filepath.Join(dir, "b.toml")))
		}, "chmod o-w "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agent.toml")
			dir := MoreDir(path)
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte(sound), 0o600),
				os.WriteFile(filepath.Join(dir, "a.toml"), []byte(certificateText("a")), 0o600),
				os.WriteFile(filepath.Join(dir, "b.toml"), []byte(certificateText("b")), 0o600)); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			var wrong *Error
			if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Hint, tt.advice) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheStateDirectoryIsFoundInABrokenFile(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"broken behind it", "# x\nstate_dir = \"/srv/state\"\n[account", "/srv/state"},
		{"broken before it", "colour = \nstate_dir = \"/srv/state\"\n", "/srv/state"},
		{"a key of that name in a table", "[x]\nstate_dir = \"/srv/state\"\n", "/var/lib/dvagent"},
		{"nothing", "", "/var/lib/dvagent"},
		{"a relative one", "state_dir = \"state\"\n", "/var/lib/dvagent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agent.toml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := StateDir(path); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestTheDigestIsThatOfTheFilesThatWereLoaded(t *testing.T) {
	c, err := loadWith(t, map[string]string{"conf.d/a.toml": certificateText("a")})
	if err != nil {
		t.Fatal(err)
	}
	if Digest(c.Path) != c.Digest {
		t.Error("nothing changed, and the digest did")
	}
	more := filepath.Join(MoreDir(c.Path), "a.toml")
	for _, change := range []func() error{
		func() error { return os.Chmod(more, 0o640) },
		func() error { return os.WriteFile(more, []byte("# other\n"), 0o640) },
		func() error { return os.Rename(more, filepath.Join(MoreDir(c.Path), "b.toml")) },
		func() error { return os.RemoveAll(MoreDir(c.Path)) },
		func() error { return os.Remove(c.Path) },
	} {
		before := Digest(c.Path)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if Digest(c.Path) == before {
			t.Error("a change does not show")
		}
	}
}

// BenchmarkTenThousandFiles compares conf.d with one file of the same
// certificates.
func BenchmarkTenThousandFiles(b *testing.B) {
	const many = 10_000
	for _, bb := range []struct {
		name  string
		split bool
	}{{"one file", false}, {"a file for each", true}} {
		b.Run(bb.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "agent.toml")
			if err := os.Mkdir(MoreDir(path), 0o700); err != nil {
				b.Fatal(err)
			}
			main := sound
			for i := range many {
				text := certificateText(fmt.Sprintf("host%d", i))
				if !bb.split {
					main += text
				} else if err := os.WriteFile(filepath.Join(MoreDir(path), fmt.Sprintf("%05d.toml", i)), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			if err := os.WriteFile(path, []byte(main), 0o600); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if c, err := Load(path); err != nil || len(c.Certificates) != many+2 {
					b.Fatal(err)
				}
			}
		})
	}
}
