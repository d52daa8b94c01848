package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"dvagent/internal/hint"
)

// fault 143
func TestATargetThatWouldOverwriteWhatDvagentNeedsIsRefused(t *testing.T) {
	const text = `state_dir = "TOP/state"
[account.main]
access_key_id = "LTAIexample"
access_key_secret_file = "TOP/etc/secret"
ca_file = "TOP/etc/ca.pem"
[contact.ops]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"
[service]
listen = "127.0.0.1:9321"
token_file = "TOP/etc/token"
[[notify]]
name = "ops"
kind = "dingtalk"
url_file = "TOP/etc/url"
[[hook]]
on = ["deployed"]
command = ["TOP/bin/hook"]
[[hook]]
on = ["failed"]
command = ["TOP/bin/later"]
[[certificate]]
name = "first"
domains = ["one.example.com"]
  [[certificate.deploy]]
  key = "TARGET"
  check = ["TOP/bin/check"]
  reload = ["sh", "-c", "true"]
[[certificate]]
name = "second"
domains = ["two.example.com"]
  [[certificate.deploy]]
  jks = "TOP/tls/second.jks"
  password_file = "TOP/etc/password"
`
	for _, tt := range []struct{ name, target, err string }{
		{"a file of its own", "TOP/tls/key.pem", ""},
		{"a file that is there", "TOP/tls/there.pem", ""},
		{"beside the state", "TOP/state.pem", ""},
		{"agent.toml", "TOP/etc/agent.toml", "is the configuration"},
		{"agent.toml, in other words", "TOP/tls/.././/etc/agent.toml", "is the configuration"},
		{"agent.toml by a link to its directory", "TOP/link/agent.toml", "is the configuration"},
		{"a link to agent.toml", "TOP/tls/link", "is the configuration"},
		{"a hard link to agent.toml", "TOP/tls/hard", "is the configuration"},
		{"a file of conf.d", "TOP/etc/conf.d/more.toml", "is the configuration"},
		{"a file that conf.d has not yet", "TOP/etc/conf.d/later.toml", "lies in the configuration"},
		{"the secret", "TOP/etc/secret", "is a secret"},
		{"a token", "TOP/etc/token", "is a secret"},
		{"the address of a robot", "TOP/etc/url", "is a secret"},
		{"the password of another target", "TOP/etc/password", "is a secret"},
		{"the CA that is trusted", "TOP/etc/ca.pem", "is a ca_file"},
		{"a hook", "TOP/bin/hook", "is a program"},
		{"a check", "TOP/bin/check", "is a program"},
		{"a hook that is not there yet", "TOP/bin/later", "is a program"},
		{"a reload that PATH leads to", "/bin/sh", "is a program"},
		{"a file below state_dir", "TOP/state/certificates/first/key.pem", "lies in state_dir"},
		{"a file below state_dir by a link", "TOP/tls/state/key.pem", "lies in state_dir"},
		{"state_dir", "TOP/state", "is state_dir"},
		{"a directory", "TOP/tls/", "is a directory"},
		{"a directory, in other words", "TOP/tls/.", "is a directory"},
		{"another certificate's file", "TOP/tls/second.jks", "is already"},
		{"another certificate's file by a link", "TOP/tls/again/second.jks", "is already"},
	} {
		for _, others := range []int{0, fewTargets * runtime.GOMAXPROCS(0)} { // so many that their directory is listed
			t.Run(fmt.Sprintf("%s, beside %d certificates", tt.name, others), func(t *testing.T) {
				top := t.TempDir()
				var beside strings.Builder
				for i := range others {
					fmt.Fprintf(&beside, "[[certificate]]\nname = \"c%d\"\ndomains = [\"c%d.example.com\"]\n[[certificate.deploy]]\nkey = \"TOP/tls/c%d\"\n", i, i, i)
				}
				placed := strings.NewReplacer("TARGET", tt.target, "[[certificate]]\nname = \"first\"", beside.String()+"[[certificate]]\nname = \"first\"").Replace(text)
				placed = strings.ReplaceAll(placed, "TOP", top)
				errs := []error{}
				for _, dir := range []string{"etc/conf.d", "bin", "tls", "state/certificates/first"} {
					errs = append(errs, os.MkdirAll(filepath.Join(top, dir), 0o700))
				}
				for _, name := range []string{"etc/secret", "etc/password", "etc/token", "bin/hook", "bin/check", "tls/there.pem"} {
					errs = append(errs, os.WriteFile(filepath.Join(top, name), []byte("0123456789abcdef"), 0o700))
				}
				errs = append(errs, os.WriteFile(top+"/etc/ca.pem", aRoot(t), 0o600), os.WriteFile(top+"/etc/url", []byte("https://oapi.dingtalk.com/robot/send?access_token=x"), 0o600),
					os.WriteFile(top+"/etc/agent.toml", []byte(placed), 0o600), os.WriteFile(top+"/etc/conf.d/more.toml", nil, 0o600),
					os.Symlink("etc", top+"/link"), os.Symlink("../etc/agent.toml", top+"/tls/link"),
					os.Symlink("../state", top+"/tls/state"), os.Symlink(".", top+"/tls/again"))
				if strings.HasSuffix(tt.target, "/hard") { // of a file that is needed, no other name can be told from a listing
					errs = append(errs, os.Link(top+"/etc/agent.toml", top+"/tls/hard"))
				}
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				_, err := Load(top + "/etc/agent.toml")
				if tt.err == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), fmt.Sprintf("%s/etc/agent.toml:", top)) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if strings.Contains(tt.err, "lies in") && hint.Of(err) == "" {
					t.Errorf("no hint with %v", err)
				}
			})
		}
	}
}
