package check

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func TestATargetIsLookedAtForWhoElseCouldChangeIt(t *testing.T) {
	const stranger = 65534
	give := func(t *testing.T, path string) error {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a directory to another user")
		}
		return os.Lchown(path, stranger, stranger)
	}
	for _, tt := range []struct {
		name      string
		change    func(t *testing.T, top string, target *deploy.Target) error
		err, hint string // of the only finding about it
		warning   bool
	}{
		{"nobody", func(*testing.T, string, *deploy.Target) error { return nil }, "", "", false},
		{"another user's directory", func(t *testing.T, top string, _ *deploy.Target) error { return give(t, top+"/tls") }, // fault 164
			"key.pem can be replaced by others than root and dvagent's user: directory", "chown root ", true},
		{"a directory above that others can write", func(t *testing.T, top string, _ *deploy.Target) error { return os.Chmod(top, 0o777) }, // fault 164
			"can be written by others", "chmod o-w ", true},
		{"another user's link", func(t *testing.T, top string, target *deploy.Target) error { // fault 164
			target.Key = top + "/link/key.pem"
			return errors.Join(os.Symlink("tls", top+"/link"), give(t, top+"/link"))
		}, "key.pem cannot be installed: open", "", false},
		{"a key that everybody reads", func(_ *testing.T, _ string, target *deploy.Target) error { // fault 175
			target.KeyMode = 0o644
			return nil
		}, "key_mode 0644 lets every user of this host use the key of", `key_mode = "0640"`, true},
		{"a key that a group reads", func(_ *testing.T, _ string, target *deploy.Target) error {
			target.KeyMode = 0o640
			return nil
		}, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			target := deploy.Target{Key: filepath.Join(top, "tls/key.pem")}
			if err := errors.Join(os.Mkdir(top+"/tls", 0o755), tt.change(t, top, &target)); err != nil {
				t.Fatal(err)
			}
			found := slices.DeleteFunc(append(rehearse(t.Context(), new(deploy.Rehearsals), "www", target, deploy.Ours), new(targetsLook).checkOthers("www", target)...), func(f Finding) bool { return f.Err == nil })
			if tt.err == "" && len(found) == 0 {
				return
			}
			if len(found) != 1 || tt.err == "" || !strings.Contains(found[0].Err.Error(), tt.err) ||
				found[0].Warning != tt.warning || !strings.HasPrefix(hint.Of(found[0].Err), tt.hint) {
				t.Errorf("%+v, want %q", found, tt.err)
			}
		})
	}
}

// fault 175
func TestAPageThatEveryUserOfTheHostReadsIsWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service config.Service
		warned  bool
	}{
		{"there is none", config.Service{}, false},
		{"without a token", config.Service{Listen: "127.0.0.1:9321"}, true},
		{"with one", config.Service{Listen: "127.0.0.1:9321", Token: secret.Secret{Literal: "0123456789abcdef"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := state.NewHost(&config.Config{StateDir: t.TempDir(), Service: tt.service}, nil, nil)
			warned := slices.ContainsFunc(New(host, nil).Host(t.Context(), time.Now()), func(f Finding) bool {
				return f.Subject == "service" && f.Warning
			})
			if warned != tt.warned {
				t.Errorf("warned: %v", warned)
			}
		})
	}
}
