package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fault 167
func TestAFileThatDecodesForEverIsGivenUp(t *testing.T) {
	begun := time.Now()
	for name, line := range map[string]string{
		"a key of a hundred thousand parts": strings.Repeat("a.", 100_000) + "b = 1",
		"tables within tables":              "a = " + strings.Repeat("{a=", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "agent.toml")
			if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); !errors.Is(err, errSlow) {
				t.Errorf("%.200v", err)
			}
			if dir := StateDir(path); dir != newDocument().StateDir {
				t.Errorf("state_dir is %.200q", dir)
			}
			if took := time.Since(begun); took > 4*decodingTime {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// fault 167: whatever the files say, they are a configuration or an error of one
// line that names the file.
func FuzzConfiguration(f *testing.F) {
	f.Add("state_dir = 1\n", "[[hook]]\non = []\n")
	f.Add(sound, "[[certificate]]\nname = \"b\"\ndomains = [\"*.b.example.com\"]\n")
	f.Add(sound+"[dns]\nttl = 1e9\nquorum = \"75%\"\n[service]\nlisten = \"[::]:1\"\n", "[[certificate.deploy]]\npfx = \"/a\"\npassword_env = \"B\"\n")
	f.Fuzz(func(t *testing.T, main, more string) {
		sources := []*source{{file: "/etc/dvagent/agent.toml", mode: 0o600, text: main}, {file: "/etc/dvagent/conf.d/a.toml", mode: 0o600, text: more}}
		err := decodeSources(sources)
		if err == nil {
			_, err = build(sources)
		}
		if err != nil {
			err = inOrder(err)
		}
		var located *Error
		switch {
		case err == nil:
		case !errors.As(err, &located) || !strings.HasPrefix(err.Error(), "/etc/dvagent/"):
			t.Errorf("%q says no file", err)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("%q has several lines", err)
		}
	})
}
