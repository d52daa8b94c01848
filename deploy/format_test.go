package deploy_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/secret"
)

const password = "canary-password"

// need skips a test whose reader is not installed.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed: the file is not opened by its real reader", program)
	}
}

func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", argv[0], err, out)
	}
	return string(out)
}

// formatsTarget names a file of each kind in dir.
func formatsTarget(dir string) deploy.Target {
	return deploy.Target{
		Fullchain: dir + "/fullchain.pem", Key: dir + "/key.pem", Cert: dir + "/cert.pem", Chain: dir + "/chain.pem",
		Combined: dir + "/combined.pem", PFX: dir + "/bundle.pfx", JKS: dir + "/bundle.jks", Password: secret.Secret{Literal: password},
	}
}

func TestEachFormatOpensInItsReader(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: rsaKey})
	target := formatsTarget(t.TempDir())
	legacy := deploy.Target{PFX: target.PFX + ".legacy", Password: secret.Secret{Literal: password}, LegacyPFX: true}
	for _, each := range []deploy.Target{target, legacy} {
		if result := install(t, deploy.Job{Target: each, Bundle: b}); result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	for _, test := range []struct {
		name string
		argv []string
		want string
	}{
		{"openssl reads the pfx", []string{"openssl", "pkcs12", "-in", target.PFX, "-passin", "pass:" + password, "-nodes", "-info"}, "BEGIN PRIVATE KEY"},
		{"openssl reads the legacy pfx as such", []string{"openssl", "pkcs12", "-legacy", "-in", legacy.PFX, "-passin", "pass:" + password, "-nodes", "-info"}, "pbeWithSHA1And"},
		{"openssl reads the key", []string{"openssl", "pkey", "-in", target.Key, "-check", "-noout"}, "valid"},
		{"openssl verifies the leaf by the chain", []string{"openssl", "verify", "-partial_chain", "-trusted", target.Chain, target.Cert}, "OK"},
		{"keytool reads the jks", []string{"keytool", "-list", "-v", "-keystore", target.JKS, "-storepass", password}, "Certificate chain length: 2"},
		{"keytool finds the key of the jks", []string{"keytool", "-certreq", "-alias", "dvagent", "-keystore", target.JKS, "-storepass", password}, "BEGIN NEW CERTIFICATE REQUEST"},
		{"haproxy reads the combined file", []string{"haproxy", "-V", "-c", "-f", haproxyConfig(t, target.Combined)}, "Configuration file is valid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			need(t, test.argv[0])
			if out := output(t, test.argv...); !strings.Contains(out, test.want) {
				t.Errorf("no %q in the output of %s", test.want, test.argv[0])
			}
		})
	}
}

func haproxyConfig(t *testing.T, combined string) string {
	path := t.TempDir() + "/haproxy.cfg"
	write(t, path, fmt.Appendf(nil, "defaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n"+
		"frontend web\n  bind 127.0.0.1:1 ssl crt %s\n", combined))
	return path
}

func TestFormatsAreNotWrittenAgain(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	target := formatsTarget(t.TempDir())
	for i, want := range []bool{true, false} {
		result := install(t, deploy.Job{Target: target, Bundle: b})
		if result.Err != nil || result.Changed != want {
			t.Errorf("installation %d: changed %v, error %v", i+1, result.Changed, result.Err)
		}
	}
	for _, path := range target.Paths() {
		secret := path != target.Fullchain && path != target.Cert && path != target.Chain
		wantMode(t, path, map[bool]fs.FileMode{true: 0o600, false: 0o644}[secret])
	}
	held, err := deploy.Held(target)
	if err != nil || held.ID() != b.ID() || len(held.Chain) != 1 {
		t.Errorf("another bundle is held, error %v", err)
	}
	next := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	if drift := deploy.Inspect(t.Context(), target, next); len(drift.Files) != 6 { // all but the chain
		t.Errorf("the next bundle differs in %q", drift.Files)
	}
}

func TestKeyFormat(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca := bundletest.NewCA(t, "Test")
	withRSA := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: rsaKey})
	withEC := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	for _, test := range []struct {
		name, format string
		b            *bundle.Bundle
		begin, err   string
	}{
		{"RSA stays PKCS#1", "", withRSA, "-----BEGIN RSA PRIVATE KEY-----", ""},
		{"RSA becomes PKCS#8", "pkcs8", withRSA, "-----BEGIN PRIVATE KEY-----", ""},
		{"RSA as PKCS#1", "pkcs1", withRSA, "-----BEGIN RSA PRIVATE KEY-----", ""},
		{"P-256 as PKCS#8", "pkcs8", withEC, "-----BEGIN PRIVATE KEY-----", ""},
		{"P-256 has no PKCS#1", "pkcs1", withEC, "", "key_format pkcs1 is for RSA keys"},
		{"an unknown format", "pem", withRSA, "", `key_format "pem" is neither`},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := deploy.Target{Key: t.TempDir() + "/key.pem", KeyFormat: test.format}
			result := install(t, deploy.Job{Target: target, Bundle: test.b})
			checkError(t, result.Err, test.err)
			if data, _ := os.ReadFile(target.Key); !strings.HasPrefix(string(data), test.begin) {
				t.Error("the key has another format")
			}
		})
	}
}

func TestAShortPasswordIsRefusedWithoutBeingPrinted(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	result := install(t, deploy.Job{Bundle: b, Target: deploy.Target{JKS: t.TempDir() + "/bundle.jks", Password: secret.Secret{Literal: "kanry"}}})
	checkError(t, result.Err, "password")
	if strings.Contains(result.Err.Error(), "kanry") {
		t.Error("the password is in the error")
	}
}

func TestAPasswordIsReadAnewForEachUse(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	dir := t.TempDir()
	target := deploy.Target{PFX: dir + "/bundle.pfx", JKS: dir + "/bundle.jks", Password: secret.Secret{File: dir + "/password"}}
	for _, password := range []string{"canary-one", "canary-two"} {
		if err := os.WriteFile(target.Password.File, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if drift := deploy.Inspect(t.Context(), target, b); len(drift.Files) != 2 {
			t.Errorf("with another password the files differ in %q", drift.Files)
		}
		if result := install(t, deploy.Job{Target: target, Bundle: b}); result.Err != nil || !result.Changed {
			t.Errorf("changed %v, error %v", result.Changed, result.Err)
		}
		if held, err := deploy.Held(target); err != nil || held.ID() != b.ID() {
			t.Errorf("another bundle is held, error %v", err)
		}
	}
	if err := os.Remove(target.Password.File); err != nil {
		t.Fatal(err)
	}
	checkError(t, install(t, deploy.Job{Target: target, Bundle: b}).Err, "read the password: ")
}
