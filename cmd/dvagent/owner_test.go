package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"dvagent/internal/sandbox"
)

// stranger is the user of a service, with no rights to what is root's: nobody.
const stranger = 65534

// installation is a package's: root's configuration that the service's user can
// read, and a unit that names this user.
type installation struct {
	*testing.T
	dir string
	env []string
}

// newInstallation has a directory that everybody can pass through, with a copy of
// this program.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("/var/tmp", "dvagent-owner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	i := &installation{T: t, dir: dir, env: append(os.Environ(), "DVAGENT_CONFIG="+dir+"/etc/agent.toml", "SYSTEMD_UNIT_PATH="+dir+"/units", "TZ=UTC")}
	binary, err := exec.LookPath("dvagent")
	if err != nil {
		t.Fatal(err)
	}
	s := startSandbox(t, sandbox.Options{IssueAfter: 10 * time.Millisecond, Propagation: []time.Duration{time.Millisecond}})
	text := s.AgentConfig(dir+"/state") + fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", dir+"/tls/www.pem", dir+"/tls/www.key")
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(dir+"/etc", 0o750), os.Chown(dir+"/etc", 0, stranger), os.Mkdir(dir+"/units", 0o755),
		os.Mkdir(dir+"/tls", 0o750), os.Chown(dir+"/tls", stranger, -1),
		os.WriteFile(dir+"/etc/agent.toml", []byte(text), 0o640), os.Chown(dir+"/etc/agent.toml", 0, stranger),
		exec.Command("cp", "--dereference", binary, dir+"/dvagent").Run(), os.Chmod(dir+"/dvagent", 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// given makes the state directory a user's.
func (i *installation) given(uid int) {
	i.Helper()
	if err := errors.Join(os.MkdirAll(i.dir+"/state", 0o700), os.Chown(i.dir+"/state", uid, uid)); err != nil {
		i.Fatal(err)
	}
}

// as runs the program as a user, and returns its exit code and what it printed.
func (i *installation) as(uid uint32, args ...string) (int, string) {
	i.Helper()
	cmd := exec.Command(i.dir+"/dvagent", args...)
	cmd.Env, cmd.Dir = i.env, "/"
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		i.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// everythingIs wants all that lies there to be one user's.
func (i *installation) everythingIs(uid uint32, dir string) {
	i.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(i.dir, dir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != uid {
			i.Errorf("%s belongs to user %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		files++
		return err
	})
	if err != nil || files < 2 {
		i.Errorf("%d files: %v", files, err)
	}
}

func TestRootWorksAsTheUserWhoseTheStateIs(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(*installation)
		uid  uint32
	}{
		{"it is the service's", func(i *installation) { i.given(stranger) }, stranger},
		{"it is root's, as with cron", func(i *installation) { i.given(0) }, 0},
		{"it is not there, and no unit has it made", func(i *installation) {}, 0},
		{"it is not there, and the unit has another one made", func(i *installation) {
			i.write("units/dvagent.service", "[Service]\nUser=nobody\nStateDirectory=dvagent\n")
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := newInstallation(t)
			tt.put(i)
			for _, args := range [][]string{{"renew"}, {"status"}, {"deploy"}, {"check"}} {
				if code, out := i.as(0, args...); code != exitOK {
					t.Fatalf("%q: exit code %d:\n%s", args, code, out)
				}
			}
			i.everythingIs(tt.uid, "state")
			for _, name := range []string{"tls/www.pem", "tls/www.key"} {
				if info, err := os.Stat(filepath.Join(i.dir, name)); err != nil || info.Sys().(*syscall.Stat_t).Uid != tt.uid {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func TestAnybodyElseIsToldWhatToType(t *testing.T) {
	i := newInstallation(t)
	i.given(12345)
	for _, command := range []string{"renew", "status", "plan", "run"} {
		code, out := i.as(stranger, command)
		if code != exitUsage || !strings.Contains(out, "state of user 12345") || !strings.Contains(out, "(hint: sudo dvagent "+command+")") {
			t.Errorf("%s: exit code %d:\n%s", command, code, out)
		}
	}
}

func TestAStateThatTheServiceIsLockedOutOfIsToldWithTheLineThatMendsIt(t *testing.T) {
	i := newInstallation(t)
	i.given(stranger)
	if code, out := i.as(0, "renew"); code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	journal := "state/certificates/example.com/rollout.journal"
	if err := os.Chown(filepath.Join(i.dir, journal), 0, 0); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"status", "plan", "check", "renew", "run"} {
		code, out := i.as(0, command)
		if code == exitOK || !strings.Contains(out, journal) || !strings.Contains(out, "chown -Rh nobody: "+i.dir+"/state") {
			t.Errorf("%s: exit code %d:\n%s", command, code, out)
		}
	}
	if out, err := exec.Command("chown", "-Rh", "nobody:", i.dir+"/state").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code, out := i.as(0, "status"); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestTheUnitsUserGetsAStateThatIsNotThere(t *testing.T) {
	i := newInstallation(t)
	i.write("units/dvagent.service", "[Service]\nUser=nobody\nStateDirectory="+strings.TrimPrefix(i.dir, "/var/tmp/")+"/state\n")
	config := i.dir + "/etc/agent.toml"
	text, err := os.ReadFile(config)
	state := "/var/lib/" + filepath.Base(i.dir)
	t.Cleanup(func() { os.RemoveAll(state) })
	if err := errors.Join(err, os.Mkdir(state, 0o755), os.WriteFile(config, []byte(strings.Replace(string(text), i.dir+"/state", state+"/state", 1)), 0o640)); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"plan", "check"} {
		if code, out := i.as(0, command); code != exitOK {
			t.Errorf("%s: exit code %d:\n%s", command, code, out)
		}
	}
	if _, err := os.Stat(state + "/state"); err == nil {
		t.Error("plan made the state directory")
	}
	if code, out := i.as(0, "renew"); code != exitOK {
		t.Fatalf("renew: exit code %d:\n%s", code, out)
	}
	i.dir = state
	i.everythingIs(stranger, "state")
}

func (i *installation) write(name, text string) {
	i.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), []byte(text), 0o644); err != nil {
		i.Fatal(err)
	}
}

// The service gets the secret from its unit. Every command has it, before the
// service has ever run, whichever of its places the configuration names.
func TestASecretOfRootsAloneThatTheUnitHandsOverIsThereForEachCommand(t *testing.T) {
	for _, place := range []string{"$DIR/etc/secret", "/run/credentials/dvagent.service/secret", "/run/credentials/dvagent-renew.service/secret"} {
		t.Run(place, func(t *testing.T) {
			i := newInstallation(t)
			i.given(stranger)
			place := strings.Replace(place, "$DIR", i.dir, 1)
			for _, name := range []string{"units/dvagent.service", "units/dvagent-renew.service"} {
				i.write(name, "[Service]\nUser=nobody\nLoadCredential=secret:"+i.dir+"/etc/secret\n")
			}
			i.moveSecret(place)
			for _, args := range [][]string{{"check", "--online"}, {"plan"}, {"renew"}, {"status"}, {"orders"}, {"certs", "list"}} {
				if code, out := i.as(0, args...); code != exitOK {
					t.Errorf("%q as root: exit code %d:\n%s", args, code, out)
				}
			}
			for _, args := range [][]string{{"plan"}, {"status"}} {
				if code, out := i.as(stranger, args...); code != exitOK {
					t.Errorf("%q as the service's user: exit code %d:\n%s", args, code, out)
				}
			}
			code, out := i.as(stranger, "renew", "--force")
			if code != exitUsage || !strings.Contains(out, "access_key_secret") || !strings.Contains(out, "(hint: run it as root") {
				t.Errorf("renew as the service's user: exit code %d:\n%s", code, out)
			}
			if code, out := i.as(stranger, "check"); code != exitFailed || !strings.Contains(out, "FAIL  account.main.access_key_secret: ") {
				t.Errorf("check as the service's user: exit code %d:\n%s", code, out)
			}
			i.env = append(i.env, "CREDENTIALS_DIRECTORY="+i.dir+"/tls")
			if err := errors.Join(exec.Command("cp", i.dir+"/etc/secret", i.dir+"/tls/secret").Run(), os.Chown(i.dir+"/tls/secret", stranger, stranger)); err != nil {
				t.Fatal(err)
			}
			if code, out := i.as(stranger, "renew", "--force"); code != exitOK {
				t.Errorf("renew of the unit: exit code %d:\n%s", code, out)
			}
		})
	}
}

// moveSecret puts the secret into a file of root's alone, and names its place in
// the configuration.
func (i *installation) moveSecret(place string) {
	i.Helper()
	config := i.dir + "/etc/agent.toml"
	text, err := os.ReadFile(config)
	if err != nil {
		i.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^access_key_secret = "(.*)"$`).FindSubmatch(text)
	text = []byte(strings.Replace(string(text), string(found[0]), fmt.Sprintf("access_key_secret_file = %q", place), 1))
	if err := errors.Join(os.WriteFile(i.dir+"/etc/secret", append(found[1], '\n'), 0o600), os.WriteFile(config, text, 0o640)); err != nil {
		i.Fatal(err)
	}
}

func TestCheckLooksAsTheServicesUser(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(*installation) error
		args []string
		want string
	}{
		{"the directory of a target is root's", func(i *installation) error { return os.Chown(i.dir+"/tls", 0, 0) }, nil,
			"FAIL  example.com: $DIR/tls/www.pem cannot be installed: "},
		{"the present key is root's", func(i *installation) error { return os.WriteFile(i.dir+"/tls/www.key", []byte("x"), 0o600) }, nil,
			"FAIL  example.com: $DIR/tls/www.key cannot be installed: "},
		{"the check is for root", func(i *installation) error {
			return errors.Join(os.WriteFile(i.dir+"/tls/www.pem", nil, 0o644), os.WriteFile(i.dir+"/tls/www.key", nil, 0o644), i.add(`check = ["cat", "$DIR/etc/root"]`),
				os.WriteFile(i.dir+"/etc/root", nil, 0o600))
		}, nil, "FAIL  example.com: the check cat $DIR/etc/root: "},
		{"the check succeeds", func(i *installation) error { return i.add(`check = ["true"]`) }, nil, "ok    example.com: true succeeds"},
		{"a check that waits for the first pair", func(i *installation) error { return i.add(`check = ["cat", "$DIR/tls/www.pem"]`) }, nil,
			"warn  example.com: the check cat $DIR/tls/www.pem: "},
		{"the unit sees the disk read-only", func(i *installation) error {
			i.write("units/dvagent.service", "[Service]\nUser=nobody\nProtectSystem=strict\n")
			return nil
		}, nil, "FAIL  example.com: $DIR/tls/www.pem cannot be written by dvagent.service, which sees the disk read-only there (hint: systemctl edit dvagent, and below [Service] ReadWritePaths=-$DIR/tls)"},
		{"as another user than the state's", func(i *installation) error { return os.Chown(i.dir+"/state", 0, 0) }, []string{"--as", "nobody"},
			"FAIL  state_dir: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := newInstallation(t)
			i.given(stranger)
			if err := tt.put(i); err != nil {
				t.Fatal(err)
			}
			_, out := i.as(0, append([]string{"check"}, tt.args...)...)
			if want := strings.ReplaceAll(tt.want, "$DIR", i.dir); !strings.Contains("\n"+out, "\n"+want) {
				t.Errorf("no line begins with %q:\n%s", want, out)
			}
		})
	}
}

// add adds to the deployment.
func (i *installation) add(text string) error {
	config := i.dir + "/etc/agent.toml"
	old, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	return os.WriteFile(config, append(old, strings.ReplaceAll(text, "$DIR", i.dir)+"\n"...), 0o640)
}

// Each command works as the user whose the state is, or does without the state.
func TestEachCommandIsKnownToNeedTheStateOrNot(t *testing.T) {
	without := []string{"as-root", "certs", "certs delete", "certs download", "certs list", "certs prune", "certs show",
		"contacts", "demo", "fleet", "fleet keygen", "help", "init", "sandbox", "version"}
	var walk func(cmd *cobra.Command, path string)
	walk = func(cmd *cobra.Command, path string) {
		for _, below := range cmd.Commands() {
			name := strings.TrimSpace(path + " " + below.Name())
			if slices.Contains(ofTheState, name) == slices.Contains(without, name) {
				t.Errorf("it is not said of %s whether it works on the state directory", name)
			}
			walk(below, name)
		}
	}
	walk((&cli{}).command(), "")
}
