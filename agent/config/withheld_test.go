package config

import (
	"strings"
	"testing"

	"dvagent/internal/hint"
)

// fault 186
func TestASecretWhereItsPlaceIsWantedIsNotRepeated(t *testing.T) {
	const canary = "Canary0Secret"
	const pem = "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n"
	const installed, channel = "key = \"/etc/nginx/tls/www.key\"", "[[notify]]\nname = \"x\"\n"
	for _, tt := range []struct{ name, old, new string }{
		{"an access key secret as its file", "access_key_secret = ", "access_key_secret_file = \"" + canary + "\" #"},
		{"an access key secret as its variable, with a sign that no name has", "access_key_secret = ", "access_key_secret_env = \"" + canary + "/+\" #"},
		{"a password as its file", installed, "pfx = \"/x/y\"\npassword_file = \"" + canary + "\""},
		{"a password as its variable", installed, "pfx = \"/x/y\"\npassword_env = \"" + canary + "\""},
		{"a private key as its path", installed, "key = \"\"\"" + pem + "\"\"\""},
		{"a private key without an end", installed, "key = \"-----BEGIN RSA PRIVATE KEY-----" + canary + "\""},
		{"a private key as where it is made", "[contact.ops]", "[[certificate]]\nprivate_key = \"\"\"" + pem + "\"\"\"\n[contact.ops]"},
		{"the page's key as its path", "[contact.ops]", "[service]\nlisten = \"127.0.0.1:0\"\ntls_cert = \"/x\"\ntls_key = \"\"\"" + pem + "\"\"\"\n[contact.ops]"},
		{"an identity as its path", "[contact.ops]", "[fleet]\netcd = [\"http://127.0.0.1:1\"]\nidentity_file = \"" + canary + "\"\n[contact.ops]"},
		{"an identity where no path is wanted", "[contact.ops]", "[fleet]\netcd = [\"http://127.0.0.1:1\"]\nca_file = \"AGE-SECRET-KEY-1" + strings.ToUpper(canary) + "\"\n[contact.ops]"},
		{"a password before a mail server", "[contact.ops]", channel + "kind = \"email\"\nsmtp = \"u:" + canary + "@127.0.0.1:25\"\n[contact.ops]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sound, tt.old, tt.new, 1)
			if text == sound {
				t.Fatalf("%q is not in the configuration", tt.old)
			}
			_, err := load(t, text)
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, one := range Each(err) {
				if told := strings.ToLower(one.Error() + hint.Of(one)); strings.Contains(told, strings.ToLower(canary)) {
					t.Errorf("it is repeated: %s (hint: %s)", one, hint.Of(one))
				}
			}
		})
	}
}

func TestAValueWithoutEndIsCut(t *testing.T) {
	for _, long := range []string{strings.Repeat("a", 70_000), strings.Repeat("中", 70_000)} {
		_, err := load(t, strings.Replace(sound, "/var/lib/dvagent", long, 1))
		if err == nil || len(err.Error()) > 2*mostShown || strings.ContainsRune(err.Error(), '�') {
			t.Errorf("%.2000v", err)
		}
	}
}
