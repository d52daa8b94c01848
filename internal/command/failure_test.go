package command_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/command"
)

func TestAFailureTellsWhatTheCommandWrote(t *testing.T) {
	for _, test := range []struct {
		name, script  string
		code          int
		text, written string
	}{
		{"its last line is quoted", "echo one; echo two; exit 3", 3, `/bin/sh failed: exit status 3 ("two")`, "one\ntwo"},
		{"silence is nothing to quote", "exit 1", 1, "/bin/sh failed: exit status 1", ""},
		{"nothing moves the cursor", `printf 'a\033[31m\r\n\a\302\233b\n\n'; exit 1`, 1, `/bin/sh failed: exit status 1 ("b")`, "a [31m\n  b"}, // fault 76
		{"a signal has no exit code", "echo x; kill -9 $$", -1, `/bin/sh failed: signal: killed ("x")`, "x"},
		{"a KiB is kept", "printf 'é%.0s' $(seq 1000); exit 1", 1, "/bin/sh failed", strings.Repeat("é", 512)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var failure *command.Failure
			if err := shell(t.Context(), test.script, nil).Err; !errors.As(err, &failure) {
				t.Fatalf("error %v", err)
			}
			if !strings.HasPrefix(failure.Error(), test.text) || strings.ContainsAny(failure.Error(), "\n\x1b") {
				t.Errorf("text %q", failure)
			}
			if failure.Program != "/bin/sh" || failure.ExitCode != test.code || failure.Output != test.written {
				t.Errorf("%+v", *failure)
			}
		})
	}
}

func TestTheCauseOfAFailureIsTheSameWhateverItsOutput(t *testing.T) {
	const changing = "echo error: process $$ at $(date +%N); "
	for _, test := range []struct {
		name  string
		argv  []string
		cause string
	}{
		{"an exit code", []string{"/bin/sh", "-c", changing + "exit 3"}, "/bin/sh failed: exit status 3"},
		{"a signal", []string{"/bin/sh", "-c", changing + "kill -9 $$"}, "/bin/sh failed: signal: killed"},
		{"a time limit", []string{"/bin/sh", "-c", changing + "sleep 600"}, "/bin/sh ran longer than 500ms and was stopped"},
		{"a missing program", []string{"no-such-program"}, "run no-such-program: not found in PATH"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := command.Run(t.Context(), command.Command{
				Argv: test.argv, Env: command.BaseEnv(), Timeout: 500 * time.Millisecond, Grace: 100 * time.Millisecond,
			}).Err
			var failure interface{ Cause() string }
			if !errors.As(fmt.Errorf("reload: %w", err), &failure) || failure.Cause() != test.cause {
				t.Errorf("cause %v, want %q", failure, test.cause)
			}
		})
	}
}

func TestAFailureQuotesTheLineThatTellsMost(t *testing.T) {
	for _, test := range []struct{ name, output, want string }{
		{"nginx, whose alert is no reason", `nginx: [alert] could not open error log file: open() "/var/log/nginx/error.log" failed
nginx: [warn] the "user" directive makes sense only as root
nginx: [emerg] unknown directive in /etc/nginx/extra1.conf:1
nginx: configuration file /etc/nginx/nginx.conf test failed`, "nginx: [emerg] unknown directive in /etc/nginx/extra1.conf:1"},
		{"haproxy, which counts up", `[NOTICE] haproxy version is 2.6
[ALERT] config : parsing [x.cfg:3] : unknown keyword 'foo'
[ALERT] config : Error(s) found in configuration file : x.cfg
[ALERT] config : Fatal errors found in configuration.`, "[ALERT] config : parsing [x.cfg:3] : unknown keyword 'foo'"},
		{"apache2, which points to its log", `AH00526: Syntax error on line 5 of /etc/apache2/a.conf:
SSLCertificateFile: file does not exist
Action 'configtest' failed.
The Apache error log may have more information.`, "AH00526: Syntax error on line 5 of /etc/apache2/a.conf:"},
		{"a server that may not read its key", "fopen: Permission denied\nexiting", "fopen: Permission denied"},
		{"words that merely hold one are none", "terror\n0 errors\nbye", "bye"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := shell(t.Context(), `printf '%s\n' "$OUTPUT"; exit 1`, func(c *command.Command) {
				c.Env = append(c.Env, "OUTPUT="+test.output)
			})
			checkError(t, got.Err, fmt.Sprintf("(%q)", test.want))
		})
	}
}

func TestNoPrivateKeyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "privkey.pem")
	key := newKey(t)
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, script, left string }{
		{"a key among other lines", "echo before; cat $1; echo after; exit 1", "before\n[a private key]\nafter\n"},
		{"two keys", "cat $1; echo between; cat $1; exit 1", "[a private key]\nbetween\n[a private key]\n"},
		{"a key without its end", "echo before; head -c 180 $1; exit 1", "before\n[a private key]"},
		{"a key of which the limit took the beginning", "cat $1; head -c 3900 /dev/zero | tr '\\0' '\\n'; echo after; exit 1", ""},
		{"a key without its beginning", "echo was written; tail -n +2 $1; echo after; exit 1", "[a private key]\nafter\n"},
		{"a key without its beginning, indented", "sed '1d; s/^/ \t  /; s/$/ /' $1; echo after; exit 1", "[a private key] \nafter\n"},
		{"a key on one line", `printf '"%s"' "$(awk 'BEGIN {ORS="\\n"} 1' $1)"; exit 1`, `"[a private key]\n"`},
		{"a key that a stopped command wrote", "cat $1; sleep 600", "[a private key]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := command.Run(t.Context(), command.Command{
				Argv: []string{"/bin/sh", "-c", test.script, "sh", path}, Env: command.BaseEnv(),
				Timeout: 2 * time.Second, MaxOutput: 4096,
			})
			for i, secret := range strings.Fields(key) {
				if len(secret) > 20 && (strings.Contains(got.Output, secret[20:]) || strings.Contains(got.Err.Error(), secret[20:])) {
					t.Errorf("line %d of the key is in %q, %v", i, got.Output, got.Err)
				}
			}
			if !strings.HasSuffix(got.Output, test.left) || strings.Contains(got.Output, "PRIVATE KEY") {
				t.Errorf("output %q", got.Output)
			}
		})
	}
}

func TestAFailureShowsNothingThatMayBeAPrivateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "privkey.pem")
	if err := os.WriteFile(path, []byte(newKey(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.Repeat("0123456789abcdef", 4)
	dump := strings.Repeat("    "+strings.Repeat("0f:", 15)+"\n", 2) + "    0f:0f"
	for _, test := range []struct{ name, script, shown string }{
		{"a line from the middle of a key", "echo before; sed -n 2p $1; echo after; exit 1", "before\n[what may be a private key]\nafter"},
		{"a key that is encoded once more", `echo "tls.key: $(base64 $1 | tr -d '\n')"; exit 1`, "tls.key: [what may be a private key]"},
		{"a key as openssl writes it in a text", "printf 'priv:\n" + dump + "\npub:\n'; exit 1", "priv:\n    [what may be a private key]\npub:"},
		{"a fingerprint, which is none", "echo " + fingerprint + "; exit 1", fingerprint},
	} {
		t.Run(test.name, func(t *testing.T) {
			var failure *command.Failure
			err := command.Run(t.Context(), command.Command{Argv: []string{"/bin/sh", "-c", test.script, "sh", path}, Env: command.BaseEnv()}).Err
			if !errors.As(err, &failure) || failure.Output != test.shown {
				t.Errorf("error %v, output %q, want %q", err, failure.Output, test.shown)
			}
		})
	}
}

func newKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
