package check

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/hooks"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

// fault 187
func TestWhatIsWrittenAsItMayBeAndLikelyNotMeantIsSaid(t *testing.T) {
	write := func(t *testing.T, path, text string, mode os.FileMode) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	person := config.Contact{Username: "Zhang San", Mobile: "13300000000", Email: "ops@example.com", Province: "zhejiang", City: "hangzhou"}
	www := config.Certificate{Name: "www", Domains: []string{"www.example.com"}, Contact: person}
	const certFile, keyFile = "page.pem", "page.key"
	listening := func(dir string) config.Service {
		return config.Service{Listen: "127.0.0.1:9321", TLSCert: filepath.Join(dir, certFile), TLSKey: filepath.Join(dir, keyFile)}
	}
	pair := func(t *testing.T, dir string) {
		leaf := bundletest.NewCA(t, "page").Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}})
		if err := leaf.Write(filepath.Join(dir, "pair")); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{"fullchain.pem": certFile, "privkey.pem": keyFile} {
			text, err := os.ReadFile(filepath.Join(dir, "pair", from))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, to), string(text), 0o600)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string, cfg *config.Config)
		says   string // of the only finding that is not well; "" for none
		hint   string
		fails  bool
	}{
		{name: "nothing", change: func(*testing.T, string, *config.Config) {}},
		{name: "no certificate", change: func(_ *testing.T, _ string, cfg *config.Config) { cfg.Certificates = nil },
			says: "no certificate is configured", hint: "[[certificate]]"},
		{name: "a file of conf.d with another ending", change: func(t *testing.T, dir string, _ *config.Config) {
			write(t, dir+"/conf.d/shop.conf", "", 0o600)
		}, says: "conf.d/shop.conf is not read", hint: "conf.d/shop.toml"},
		{name: "files of conf.d that were set aside", change: func(t *testing.T, dir string, _ *config.Config) {
			for _, name := range []string{"a.toml", "a.toml~", ".b.toml.swp", "a.toml.bak", "a.toml.dpkg-old", "README.md"} {
				write(t, dir+"/conf.d/"+name, "", 0o600)
			}
		}},
		{name: "an e-mail address that is none", change: func(_ *testing.T, _ string, cfg *config.Config) { cfg.Certificates[0].Contact.Email = "ops at example" },
			says: "its contact: email: ", hint: "the CA writes there"},
		{name: "a phone number that is none", change: func(_ *testing.T, _ string, cfg *config.Config) { cfg.Certificates[0].Contact.Mobile = "call me" },
			says: `its contact: mobile: "call me" is not a phone number`, hint: "may call"},
		{name: "a phone number with a country's code", change: func(_ *testing.T, _ string, cfg *config.Config) {
			cfg.Certificates[0].Contact.Mobile = "+86 133-0000-0000"
		}},
		{name: "a pair of the page that is not there", change: func(_ *testing.T, dir string, cfg *config.Config) { cfg.Service = listening(dir) },
			says: "127.0.0.1:9321 is not served yet", hint: "tls_cert"},
		{name: "a pair of the page that is none", change: func(t *testing.T, dir string, cfg *config.Config) {
			cfg.Service = listening(dir)
			write(t, filepath.Join(dir, certFile), "x", 0o644)
			write(t, filepath.Join(dir, keyFile), "x", 0o600)
		}, says: "127.0.0.1:9321 cannot be served", hint: "tls_cert", fails: true},
		{name: "a pair of the page", change: func(t *testing.T, dir string, cfg *config.Config) {
			cfg.Service = listening(dir)
			pair(t, dir)
		}},
		{name: "a state directory that everybody can write", change: func(t *testing.T, _ string, cfg *config.Config) {
			if err := errors.Join(os.Mkdir(cfg.StateDir, 0o777), os.Chmod(cfg.StateDir, 0o777)); err != nil {
				t.Fatal(err)
			}
		}, says: "can be written by others (mode 0777)", hint: "chmod o-w ", fails: true},
		{name: "a hook that others can write", change: func(t *testing.T, dir string, cfg *config.Config) {
			cfg.Hooks = []hooks.Hook{{On: []string{"failed"}, Command: []string{write(t, dir+"/hook", "#!/bin/sh\n", 0o757)}}}
		}, says: "runs with dvagent's rights, and others can change it: can be written by others (mode 0757)", hint: "chmod o-w "},
		{name: "a script of a shell that others can write", change: func(t *testing.T, dir string, cfg *config.Config) {
			cfg.Hooks = []hooks.Hook{{On: []string{"failed"}, Command: []string{"/bin/sh", "-e", write(t, dir+"/hook", "exit 0\n", 0o646), "x"}}}
		}, says: "others can change it", hint: "chmod o-w "},
		{name: "a hook in a directory that others can write", change: func(t *testing.T, dir string, cfg *config.Config) {
			hook := write(t, dir+"/open/hook", "#!/bin/sh\n", 0o755)
			if err := os.Chmod(filepath.Dir(hook), 0o777); err != nil {
				t.Fatal(err)
			}
			cfg.Hooks = []hooks.Hook{{On: []string{"failed"}, Command: []string{hook}}}
		}, says: "others can change it: directory ", hint: "chmod o-w "},
		{name: "a hook by a link to one that others can write", change: func(t *testing.T, dir string, cfg *config.Config) {
			write(t, dir+"/real/hook", "#!/bin/sh\n", 0o757)
			if err := os.Symlink("real/hook", dir+"/hook"); err != nil {
				t.Fatal(err)
			}
			cfg.Hooks = []hooks.Hook{{On: []string{"failed"}, Command: []string{dir + "/hook"}}}
		}, says: "others can change it", hint: "chmod o-w "},
		{name: "an empty secret", change: func(t *testing.T, dir string, cfg *config.Config) {
			cfg.Accounts = map[string]config.Account{"main": {AccessKeyID: secret.Secret{Literal: "x"},
				AccessKeySecret: secret.Secret{File: write(t, dir+"/secret", "\n", 0o600)}}}
		}, says: "is empty", fails: true},
		{name: "a hook with lines of Windows", change: func(t *testing.T, dir string, cfg *config.Config) { // fault 188
			cfg.Hooks = []hooks.Hook{{On: []string{"failed"}, Command: []string{write(t, dir+"/hook", "#!/bin/sh\r\n", 0o755)}}}
		}, says: "its lines end in CR LF", hint: "sed -i", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := &config.Config{Path: dir + "/agent.toml", StateDir: dir + "/state", Certificates: []config.Certificate{www}}
			tt.change(t, dir, cfg)
			var found []Finding
			for _, f := range New(state.NewHost(cfg, nil, nil), nil).Host(t.Context(), time.Now()) {
				ofNoMatter := f.Subject == "nginx" || f.Err != nil && strings.Contains(f.Err.Error(), "every user of this host")
				if f.Err != nil && !ofNoMatter {
					found = append(found, f)
				}
			}
			switch {
			case tt.says == "" && len(found) == 0:
			case len(found) != 1 || tt.says == "" || !strings.Contains(found[0].Err.Error(), tt.says) || !strings.Contains(hint.Of(found[0].Err), tt.hint) || found[0].Warning == tt.fails:
				t.Errorf("%+v, want %q", found, tt.says)
			}
		})
	}
}
