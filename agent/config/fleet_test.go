package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dvagent/internal/hint"
)

// aFleet is [fleet] with its files in a directory of the test's.
func aFleet(t *testing.T) (text, dir string) {
	t.Helper()
	dir = t.TempDir()
	canary := []byte("canary\n")
	for name, content := range map[string][]byte{"ca.pem": aRoot(t), "client.pem": canary, "client.key": canary, "fleet.key": canary, "other.pem": canary} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(`[fleet]
etcd = ["https://10.0.0.1:2379", "https://10.0.0.2:2379/"]
ca_file = "DIR/ca.pem"
cert_file = "DIR/client.pem"
key_file = "DIR/client.key"
username = "dvagent"
password = "canary-password"
prefix = "/hosts/web"
identity_file = "DIR/fleet.key"
canaries = 2
`, "DIR", dir), dir
}

func TestAFleetIsRead(t *testing.T) {
	text, dir := aFleet(t)
	c, err := load(t, sound+text)
	if err != nil {
		t.Fatal(err)
	}
	f := c.Fleet
	if f.Alone() || !slices.Equal(f.Etcd, []string{"https://10.0.0.1:2379", "https://10.0.0.2:2379"}) || f.Prefix != "/hosts/web/" ||
		f.Canaries != 2 || f.Identity.File != dir+"/fleet.key" || f.Key.File != dir+"/client.key" || f.CertFile != dir+"/client.pem" {
		t.Errorf("%+v", f)
	}
	if shown := fmt.Sprintf("%v %+v %#v", f, f, f); strings.Contains(shown, "canary") {
		t.Errorf("formatting tells a secret: %s", shown)
	}
}

func TestWithoutTheTableAHostIsAlone(t *testing.T) {
	c, err := load(t, sound)
	if err != nil || !c.Fleet.Alone() {
		t.Errorf("%+v: %v", c.Fleet, err)
	}
}

func TestAFleetHasItsDefaults(t *testing.T) {
	_, dir := aFleet(t)
	c, err := load(t, sound+"[fleet]\netcd = [\"http://127.0.0.1:2379\"]\nidentity_file = \""+dir+"/fleet.key\"\n")
	if err != nil || c.Fleet.Prefix != "/dvagent/" || c.Fleet.Canaries != 1 {
		t.Errorf("%+v: %v", c.Fleet, err)
	}
}

func TestWhatIsWrongInAFleetIsNamedWithItsKeyAndHint(t *testing.T) {
	for _, tt := range []struct{ name, old, new, key, hint string }{
		{"no address", `etcd = ["https://10.0.0.1:2379", "https://10.0.0.2:2379/"]`, "", "fleet.etcd", "name the members"},
		{"an address without a port", "10.0.0.1:2379", "10.0.0.1", "fleet.etcd", ""},
		{"an address with a path", "10.0.0.1:2379", "10.0.0.1:2379/v3", "fleet.etcd", ""},
		{"an address that is no URL", "https://10.0.0.1:2379", "10.0.0.1:2379", "fleet.etcd", ""},
		{"a plain address beyond loopback", "https://10.0.0.1", "http://10.0.0.1", "fleet.etcd", "write https://"},
		{"addresses with and without TLS", "https://10.0.0.1", "http://127.0.0.1", "fleet.etcd", ""},
		{"a user in an address", "https://10.0.0.1", "https://u:canary@10.0.0.1", "fleet.etcd", ""},
		{"a CA that is not there", "/ca.pem", "/none.pem", "fleet.ca_file", ""},
		{"a CA that is a directory", "/ca.pem", "", "fleet.ca_file", ""},
		{"a CA that is none", "/ca.pem", "/other.pem", "fleet.ca_file", ""},
		{"a certificate that is a directory", "/client.pem", "", "fleet.cert_file", ""},
		{"a key without its certificate", "cert_file", "#", "fleet.cert_file", ""},
		{"a certificate without its key", "key_file", "#", "fleet.key_file", ""},
		{"a password without a user", "username", "#", "fleet.username", ""},
		{"a user without a password", "password", "#", "fleet.password", ""},
		{"two passwords", "username", "password_env = \"X\"\nusername", "fleet.password", ""},
		{"a prefix that is everything", `"/hosts/web"`, `"/"`, "fleet.prefix", "write it as /dvagent/"},
		{"a prefix with a blank", `"/hosts/web"`, `"/hosts web/"`, "fleet.prefix", "write it as /dvagent/"},
		{"a prefix without a slash", `"/hosts/web"`, `"hosts"`, "fleet.prefix", "write it as /dvagent/"},
		{"fewer canaries than none", "canaries = 2", "canaries = -1", "fleet.canaries", ""},
		{"no identity", "identity_file", "#", "fleet.identity_file", "dvagent fleet keygen /etc/dvagent/fleet.key makes one"},
		{"an identity that is not there", "fleet.key", "none.key", "fleet.identity_file", "dvagent fleet keygen "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, _ := aFleet(t)
			if strings.Count(text, tt.old) != 1 && tt.new != "#" {
				t.Fatalf("%q does not stand once in the table", tt.old)
			}
			_, err := load(t, sound+strings.Replace(text, tt.old, tt.new, 1))
			var wrong *Error
			if !errors.As(err, &wrong) || len(Each(err)) != 1 || strings.Contains(err.Error(), "canary") {
				t.Fatalf("got %v", err)
			}
			if wrong.Key != tt.key || wrong.Line == 0 || !strings.HasPrefix(hint.Of(err), tt.hint) {
				t.Errorf("got %s: %v (%s)", wrong.Key, err, hint.Of(err))
			}
		})
	}
}

func TestAnIdentityThatOthersCanReadIsRefused(t *testing.T) {
	text, dir := aFleet(t)
	if err := os.Chmod(dir+"/fleet.key", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, sound+text); err == nil || !strings.Contains(err.Error(), "fleet.identity_file") || !strings.HasPrefix(hint.Of(err), "chmod o-rw ") {
		t.Errorf("got %v (%s)", err, hint.Of(err))
	}
}

func TestSeveralMistakesInAFleetAreToldAtOnce(t *testing.T) {
	_, err := load(t, sound+"[fleet]\ncanaries = -1\nprefix = \"x\"\nca_file = \"ca\"\n")
	if got := Each(err); len(got) != 5 {
		t.Errorf("got %d: %v", len(got), got)
	}
}

func TestAFollowerOfAFleetNeedsNoAccount(t *testing.T) {
	const follower = "[[certificate]]\nname = \"www\"\ndomains = [\"example.com\"]\nfollow = true\n"
	text, _ := aFleet(t)
	for _, tt := range []struct {
		name, text, key string
	}{
		{"it follows the fleet", text + follower, ""},
		{"it also uploads", text + follower + "upload = true\n", "certificate[0].account"},
		{"it names an account that there is not", text + follower + "account = \"main\"\n", "certificate[0].account"},
		{"there is no fleet", follower, "certificate[0].account"},
		{"it orders", text + strings.Replace(follower, "follow = true\n", "", 1), "certificate[0].account"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.text)
			if tt.key == "" {
				if err != nil || c.Certificates[0].Account != "" || c.Certificates[0].DNSAccount != "" {
					t.Errorf("%+v: %v", c, err)
				}
				return
			}
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Key != tt.key {
				t.Errorf("got %v", err)
			}
		})
	}
}
