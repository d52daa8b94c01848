package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fault 170
func TestAConfigurationThatAnotherUserCanChangeIsRefused(t *testing.T) {
	const stranger = 65534
	give := func(path string) error { return os.Lchown(path, stranger, -1) }
	for _, tt := range []struct {
		name        string
		spoil       func(dir string) error
		err, advice string
	}{
		{"nobody can", func(dir string) error { return nil }, "", ""},
		{"its group can, which is ours", func(dir string) error { return os.Chmod(dir+"/agent.toml", 0o660) }, "", ""},
		{"agent.toml is another's", func(dir string) error { return give(dir + "/agent.toml") }, "agent.toml: belongs to user", "chown root "},
		{"a file of conf.d is another's", func(dir string) error { return give(dir + "/conf.d/more.toml") }, "more.toml: belongs to user", "chown root "},
		{"conf.d is another's", func(dir string) error { return give(dir + "/conf.d") }, "more.toml: directory", "chown root "},
		{"a directory above is another's", func(dir string) error { return give(filepath.Dir(dir)) }, "agent.toml: directory", "chown root "},
		{"a file of conf.d is a link of another's", func(dir string) error {
			more := dir + "/conf.d/more.toml"
			return errors.Join(os.Rename(more, dir+"/more"), os.Symlink("../more", more), give(more))
		}, "more.toml: a symlink", ""},
		{"another group can write agent.toml", func(dir string) error {
			return errors.Join(os.Chown(dir+"/agent.toml", -1, stranger), os.Chmod(dir+"/agent.toml", 0o660))
		}, "agent.toml: can be written by group", "chmod g-w "},
		{"another group can write conf.d", func(dir string) error {
			return errors.Join(os.Chown(dir+"/conf.d", -1, stranger), os.Chmod(dir+"/conf.d", 0o770))
		}, "more.toml: directory", "chmod g-w "},
		{"the secret is another's", func(dir string) error { return give(dir + "/secret") }, "secret: belongs to user", "chown root "},
		{"another group can write the secret", func(dir string) error {
			return errors.Join(os.Chown(dir+"/secret", -1, stranger), os.Chmod(dir+"/secret", 0o660))
		}, "secret: can be written by group", "chmod g-w "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if os.Geteuid() != 0 && tt.err != "" {
				t.Skip("only root can give a file to another user")
			}
			dir := filepath.Join(t.TempDir(), "etc")
			text := strings.Replace(sound, `access_key_secret = "canary-secret"`, `access_key_secret_file = "`+dir+`/secret"`, 1)
			if err := errors.Join(os.MkdirAll(dir+"/conf.d", 0o700), os.WriteFile(dir+"/agent.toml", []byte(text), 0o600),
				os.WriteFile(dir+"/conf.d/more.toml", []byte(certificateText("more")), 0o600),
				os.WriteFile(dir+"/secret", []byte("sesame\n"), 0o600), tt.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir + "/agent.toml")
			var wrong *Error
			if errors.As(err, &wrong) != (tt.err != "") || wrong != nil && (!strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(wrong.Hint, tt.advice)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}
