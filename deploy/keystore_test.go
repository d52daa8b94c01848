package deploy_test

import (
	"os"
	"strings"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/secret"
)

// keytool runs Java's keytool on a key store. A password in a file is the only one
// that no locale changes on its way.
func keytool(t *testing.T, store, password string, argv ...string) string {
	t.Helper()
	need(t, "keytool")
	file := t.TempDir() + "/password"
	write(t, file, []byte(password+"\n"))
	argv = append([]string{"env", "LC_ALL=C.UTF-8", "keytool", "-J-Dfile.encoding=UTF-8"}, argv...)
	return output(t, append(argv, "-keystore", store, "-storepass:file", file)...)
}

// fault 146
func TestJavaOpensAKeyStoreWhosePasswordHasLettersBeyondASCII(t *testing.T) {
	const password = "pässwört ÿ"
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	target := deploy.Target{JKS: t.TempDir() + "/bundle.jks", JKSAlias: "Tomcat", Password: secret.Secret{Literal: password}}
	checkError(t, install(t, deploy.Job{Target: target, Bundle: b}).Err, "")
	if drift := deploy.Inspect(t.Context(), target, b); !drift.InPlace {
		t.Errorf("%q", drift.Files)
	}
	if out := keytool(t, target.JKS, password, "-certreq", "-alias", "tomcat"); !strings.Contains(out, "BEGIN NEW CERTIFICATE REQUEST") {
		t.Errorf("keytool finds no key:\n%s", out)
	}
}

// fault 146
func TestAPasswordThatAKeyStoreCannotHaveIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	dir := t.TempDir()
	for _, tt := range []struct {
		name   string
		target deploy.Target
		err    string
	}{
		{"a jks of letters that Java has two bytes for", deploy.Target{JKS: dir + "/bundle.jks", Password: secret.Secret{Literal: "canary€"}}, "cannot have"},
		{"a pfx with a character of four bytes", deploy.Target{PFX: dir + "/bundle.pfx", Password: secret.Secret{Literal: "canary😀"}}, "cannot have"},
		{"a pfx with a NUL", deploy.Target{PFX: dir + "/bundle.pfx", Password: secret.Secret{Literal: "canary\x00"}}, "control character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, tt.target.CheckPassword(), tt.err)
			tt.target.Key = dir + "/key.pem"
			result := install(t, deploy.Job{Target: tt.target, Bundle: b})
			checkError(t, result.Err, tt.err)
			if strings.Contains(result.Err.Error(), "canary") {
				t.Errorf("the password is in the error %v", result.Err)
			}
			if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
				t.Errorf("written: %v, error %v", left, err)
			}
		})
	}
}

// fault 146
func TestTheOtherEntriesOfAKeyStoreStay(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	dir := t.TempDir()
	root := dir + "/root.pem"
	write(t, root, ca.Issue(t, bundletest.Leaf{Names: []string{"root.example.com"}}).CertPEM())
	target := deploy.Target{JKS: dir + "/bundle.jks", Password: secret.Secret{Literal: password}}
	keytool(t, target.JKS, password, "-importcert", "-noprompt", "-alias", "root", "-file", root, "-storetype", "JKS")
	keytool(t, target.JKS, password, "-genkeypair", "-keyalg", "RSA", "-alias", "dvagent", "-dname", "CN=placeholder", "-keypass", password)
	keytool(t, target.JKS, password, "-genkeypair", "-keyalg", "EC", "-alias", "other", "-dname", "CN=other", "-keypass", "another-password")
	for range 2 {
		b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
		checkError(t, install(t, deploy.Job{Target: target, Bundle: b}).Err, "")
		if drift := deploy.Inspect(t.Context(), target, b); !drift.InPlace {
			t.Errorf("%q", drift.Files)
		}
		list := keytool(t, target.JKS, password, "-list")
		for _, entry := range []string{"root, ", "trustedCertEntry", "dvagent, ", "other, ", "3 entries"} {
			if !strings.Contains(list, entry) {
				t.Errorf("no %q in\n%s", entry, list)
			}
		}
		keytool(t, target.JKS, password, "-certreq", "-alias", "other", "-keypass", "another-password")
		if out := keytool(t, target.JKS, password, "-list", "-v", "-alias", "dvagent"); !strings.Contains(out, "Certificate chain length: 2") {
			t.Errorf("dvagent's entry is not the new one:\n%s", out)
		}
	}
}
