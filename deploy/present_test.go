package deploy_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

// fault 143
func TestWhatIsNoCertificateIsNotReplaced(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	files := formatsTarget(t.TempDir())
	checkError(t, install(t, deploy.Job{Target: files, Bundle: b}).Err, "")
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	pfx, jks := read(files.PFX), read(files.JKS)
	html := []byte("<!DOCTYPE html>\n<title>404</title>\n")
	passwd := []byte("root:x:0:0:root:/root:/bin/bash\n")
	crontab := []byte("0 3 * * * root /usr/local/bin/backup\n")
	for _, tt := range []struct {
		name, format string
		data         []byte
		err          string
	}{
		{"an empty file for a key", "key", nil, ""},
		{"blanks for a key", "key", []byte("\n\n"), ""},
		{"a key for a key", "key", b.KeyPEM(), ""},
		{"a damaged key for a key", "key", []byte("-----BEGIN PRIVATE KEY-----\nnonsense"), ""},
		{"an encrypted key for a key", "key", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nnonsense"), ""},
		{"passwd for a key", "key", passwd, "no PEM with a private key"},
		{"an SSH key for a key", "key", []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n"), "no PEM with a private key"},
		{"a certificate for a key", "key", b.CertPEM(), "no PEM with a private key"},
		{"a DER certificate for a certificate", "cert", b.Leaf.Raw, "no PEM with certificates"},
		{"a certificate with its key for a chain", "fullchain", append(b.KeyPEM(), b.FullchainPEM()...), ""},
		{"a page for a certificate", "fullchain", html, "no PEM with certificates"},
		{"a request for a certificate", "fullchain", []byte("-----BEGIN CERTIFICATE REQUEST-----\n"), "no PEM with certificates"},
		{"the host's store of CAs for a certificate", "fullchain", bytes.Repeat(b.CertPEM(), 51), "51 PEM blocks"},
		{"a page for a chain", "chain", html, "no PEM with certificates"},
		{"a page for a combined file", "combined", html, "no PEM with a private key or certificates"},
		{"a certificate for a combined file", "combined", b.CertPEM(), ""},
		{"a PKCS #12 for a PKCS #12", "pfx", pfx, ""},
		{"a damaged PKCS #12 for a PKCS #12", "pfx", pfx[:100], ""},
		{"a page for a PKCS #12", "pfx", html, "no PKCS #12"},
		{"what begins as DER does for a PKCS #12", "pfx", crontab, "no PKCS #12"},
		{"DER of another kind for a PKCS #12", "pfx", b.Leaf.Raw, "no PKCS #12"},
		{"a JKS for a PKCS #12", "pfx", jks, "is a JKS"},
		{"a JKS for a JKS", "jks", jks, ""},
		{"35 bytes for a JKS", "jks", jks[:35], ""},
		{"4 bytes for a JKS", "jks", jks[:4], ""},
		{"a page for a JKS", "jks", html, "no Java key store"},
		{"a PKCS #12 for a JKS", "jks", pfx, "PKCS #12 and no JKS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/file"
			write(t, path, tt.data)
			target := deploy.Target{Password: secret.Secret{Literal: password}}
			*map[string]*string{"key": &target.Key, "cert": &target.Cert, "chain": &target.Chain, "fullchain": &target.Fullchain,
				"combined": &target.Combined, "pfx": &target.PFX, "jks": &target.JKS}[tt.format] = path
			err := deploy.CheckPlaces(target)
			checkError(t, err, tt.err)
			if err != nil && (!strings.Contains(err.Error(), path) || hint.Of(err) == "") {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
		})
	}
}

// fault 143
func TestWhatIsNoFileIsNotReplaced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		place func(path string) error
		err   string
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"a link to nothing", func(path string) error { return os.Symlink("none", path) }, ""},
		{"a link to a page", func(path string) error {
			return errors.Join(os.WriteFile(path+".html", []byte("<html>"), 0o600), os.Symlink(path+".html", path))
		}, "no PEM"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		{"a FIFO", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		{"a link to a device", func(path string) error { return os.Symlink("/dev/null", path) }, "not a regular file"},
		{"a socket", func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }, "not a regular file"},
		{"two megabytes", func(path string) error { return os.WriteFile(path, make([]byte, 2<<20), 0o600) }, "file too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/key.pem"
			if err := tt.place(path); err != nil {
				t.Fatal(err)
			}
			err := deploy.CheckPlaces(deploy.Target{Key: path})
			checkError(t, err, tt.err)
			if err != nil && (!strings.HasPrefix(err.Error(), path) || !strings.HasPrefix(hint.Of(err), "move it away")) {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
		})
	}
}

// fault 146
func TestAKeyStoreOfOthersIsNotReplacedWithLess(t *testing.T) {
	need(t, "keytool")
	make := func(alias, kind string) func(t *testing.T, store string) {
		return func(t *testing.T, store string) {
			keytool(t, store, password, "-genkeypair", "-keyalg", "EC", "-alias", alias, "-dname", "CN=example.com", "-storetype", kind)
		}
	}
	for _, tt := range []struct {
		name, format string
		makes        []func(t *testing.T, store string)
		password     string
		err, hint    string
	}{
		{"a JKS with dvagent's alias", "jks", []func(*testing.T, string){make("dvagent", "JKS")}, password, "", ""},
		{"a JKS with that alias and another key", "jks", []func(*testing.T, string){make("dvagent", "JKS"), make("other", "JKS")}, password, "", ""},
		{"a JKS with another alias", "jks", []func(*testing.T, string){make("Tomcat", "JKS")}, password, "alias tomcat, and not", `jks_alias = "tomcat"`},
		{"a JKS with another password", "jks", []func(*testing.T, string){make("dvagent", "JKS")}, "another-password", "does not open", "give its password"},
		{"a PKCS #12 in place of a JKS", "jks", []func(*testing.T, string){make("dvagent", "PKCS12")}, password, "PKCS #12 and no JKS", "name it as pfx"},
		{"a PKCS #12 with an alias", "pfx", []func(*testing.T, string){make("tomcat", "PKCS12")}, password, `alias "tomcat"`, "move it away"},
		{"a PKCS #12 with another password", "pfx", []func(*testing.T, string){withoutAlias}, "another-password", "does not open", "give its password"},
		{"a PKCS #12 with a pair alone", "pfx", []func(*testing.T, string){withoutAlias}, password, "", ""},
		{"a PKCS #12 with a certificate of others", "pfx", []func(*testing.T, string){withoutAlias, trustAnother}, password, "something else than a pair", "move it away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/store"
			for _, make := range tt.makes {
				make(t, path)
			}
			target := deploy.Target{JKS: path, Password: secret.Secret{Literal: tt.password}}
			if tt.format == "pfx" {
				target.JKS, target.PFX = "", path
			}
			err := deploy.CheckPlaces(target)
			checkError(t, err, tt.err)
			if !strings.HasPrefix(hint.Of(err), tt.hint) {
				t.Errorf("hint %q, want %q", hint.Of(err), tt.hint)
			}
			if _, held := deploy.Held(target); err != nil && held == nil {
				t.Error("it is taken over")
			}
		})
	}
}

// withoutAlias makes a PKCS #12 file as openssl does.
func withoutAlias(t *testing.T, store string) {
	need(t, "openssl")
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	pem := t.TempDir() + "/pair.pem"
	write(t, pem, append(b.KeyPEM(), b.FullchainPEM()...))
	output(t, "openssl", "pkcs12", "-export", "-in", pem, "-out", store, "-passout", "pass:"+password)
}

// trustAnother adds a certificate to a PKCS #12 file, beside its pair.
func trustAnother(t *testing.T, store string) {
	b := bundletest.NewCA(t, "Other").Issue(t, bundletest.Leaf{Names: []string{"other.example.com"}})
	pem := t.TempDir() + "/other.pem"
	write(t, pem, b.CertPEM())
	keytool(t, store, password, "-importcert", "-noprompt", "-alias", "other", "-file", pem)
}
