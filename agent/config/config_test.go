package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const sound = `state_dir = "/var/lib/dvagent"
[account.main]
access_key_id = "LTAIexample"
access_key_secret = "canary-secret"
[contact.ops]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"
[[certificate]]
name = "www"
domains = ["example.com", "*.example.com"]
  [[certificate.deploy]]
  fullchain = "/etc/nginx/tls/www.pem"
  key = "/etc/nginx/tls/www.key"
[[certificate]]
name = "shop"
domains = ["shop.example.com"]
`

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestASoundConfigurationHasItsDefaults(t *testing.T) {
	c, err := load(t, sound)
	if err != nil {
		t.Fatal(err)
	}
	www := c.Certificates[0]
	if www.Account != "main" || www.DNSAccount != "main" || www.Contact.City != "hangzhou" {
		t.Errorf("references: %+v", www)
	}
	if www.RenewBefore != (Window{Share: 0.33}) || c.Limits.OrderDeadline != 48*time.Hour || c.DNS.TTL != 600 {
		t.Errorf("defaults: %v %v %v", www.RenewBefore, c.Limits, c.DNS)
	}
	if target := www.Deploy[0]; target.Mode != 0 || target.KeyMode != 0 || target.Timeout != 0 || target.ServerName != "example.com" {
		t.Errorf("target: %+v", target)
	}
}

// fault 77, fault 80, fault 81, fault 82, fault 87
func TestWhatIsWrongIsNamedWithItsLineAndKey(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		line     int
		key      string
	}{
		{"an unknown key", `name = "shop"`, "name = \"shop\"\nrenew_befor = \"30d\"", 19, "certificate[1].renew_befor"},
		{"an unknown table", "[contact.ops]", "[nonsense]\nx = 1\n[contact.ops]", 5, "nonsense"},
		{"a wrong type in the first of two certificates", `domains = ["example.com", "*.example.com"]`, `domains = "example.com"`, 13, "certificate[0].domains"},
		{"a wrong type in the second", `domains = ["shop.example.com"]`, `domains = 7`, 19, "certificate[1].domains"},
		{"broken syntax", `name = "www"`, `name = "www`, 12, "certificate[0].name"},
		{"two certificates of one name", `name = "shop"`, `name = "www"`, 18, "certificate[1].name"},
		{"a name that is no directory", `name = "shop"`, `name = "../shop"`, 18, "certificate[1].name"},
		{"the same names twice", `domains = ["shop.example.com"]`, `domains = ["*.example.com", "EXAMPLE.com."]`, 19, "certificate[1].domains"},
		{"an empty list of domains", `domains = ["shop.example.com"]`, `domains = []`, 19, "certificate[1].domains"},
		{"an empty label", `"shop.example.com"`, `"shop..example.com"`, 19, "certificate[1].domains"},
		{"a NUL in a check", "  key = \"/etc/nginx/tls/www.key\"", "  check = [\"nginx\", \"-t\\u0000\"]", 16, "certificate[0].deploy[0].check"},
		{"a NUL in a hook", "[contact.ops]", "[[hook]]\non = [\"failed\"]\ncommand = [\"/bin/true\", \"\\u0000\"]\n[contact.ops]", 7, "hook[0].command"},
		{"a server name of two lines", "  key = \"/etc/nginx/tls/www.key\"", "  probe_server_name = \"a\\nb\"", 16, "certificate[0].deploy[0].probe_server_name"},
		{"only dots", `"shop.example.com"`, `".."`, 19, "certificate[1].domains"},
		{"a double wildcard", `"shop.example.com"`, `"*.*.example.com"`, 19, "certificate[1].domains"},
		{"nothing but wildcards", `"shop.example.com"`, `"*.*"`, 19, "certificate[1].domains"},
		{"254 characters", `"shop.example.com"`, `"` + strings.Repeat("a.", 125) + `coma"`, 19, "certificate[1].domains"},
		{"an address", `"shop.example.com"`, `"192.0.2.1"`, 19, "certificate[1].domains"},
		{"instances for what orders nothing", `name = "shop"`, "name = \"shop\"\nfollow = true\ninstances = [\"cas-1\"]", 20, "certificate[1].instances"},
		{"test instances for what orders nothing", `name = "shop"`, "name = \"shop\"\ntest_instances = true\nfollow = true", 19, "certificate[1].test_instances"},
		{"a kind of key for what orders nothing", `name = "shop"`, "name = \"shop\"\nfollow = true\nkey_type = \"ec256\"", 20, "certificate[1].key_type"},
		{"a place of the key for what orders nothing", `name = "shop"`, "name = \"shop\"\nprivate_key = \"cas\"\nfollow = true", 19, "certificate[1].private_key"},
		{"a zone's account for what orders nothing", `name = "shop"`, "name = \"shop\"\nfollow = true\ndns_account = \"main\"", 20, "certificate[1].dns_account"},
		{"a validation for what orders nothing", `name = "shop"`, "name = \"shop\"\nfollow = true\nvalidation = \"file\"", 20, "certificate[1].validation"},
		{"a validation that there is not", `name = "shop"`, "name = \"shop\"\nvalidation = \"http\"", 19, "certificate[1].validation"},
		{"a file without its place", `name = "shop"`, "name = \"shop\"\nvalidation = \"file\"", 17, "certificate[1].webroot"},
		{"a place without a file", `name = "shop"`, "name = \"shop\"\nwebroot = \"/srv\"", 19, "certificate[1].webroot"},
		{"a relative place of the file", `name = "shop"`, "name = \"shop\"\nvalidation = \"file\"\nwebroot = \"srv\"", 20, "certificate[1].webroot"},
		{"a place of the file that leads upward", `name = "shop"`, "name = \"shop\"\nvalidation = \"file\"\nwebroot = \"/srv/../etc\"", 20, "certificate[1].webroot"},
		{"the root as the place of the file", `name = "shop"`, "name = \"shop\"\nvalidation = \"file\"\nwebroot = \"/\"", 20, "certificate[1].webroot"},
		{"a zone's account for a file", `name = "shop"`, "name = \"shop\"\nvalidation = \"file\"\nwebroot = \"/srv\"\ndns_account = \"main\"", 21, "certificate[1].dns_account"},
		{"a wildcard that a file is to prove", `name = "www"`, "name = \"www\"\nvalidation = \"file\"\nwebroot = \"/srv\"", 15, "certificate[0].domains"},
		{"an unknown contact of what orders nothing", `name = "shop"`, "name = \"shop\"\nfollow = true\ncontact = \"other\"", 20, "certificate[1].contact"},
		{"an unknown account", `name = "shop"`, "name = \"shop\"\naccount = \"other\"", 19, "certificate[1].account"},
		{"an unknown contact", `name = "shop"`, "name = \"shop\"\ncontact = \"other\"", 19, "certificate[1].contact"},
		{"a contact without a city", "city = \"hangzhou\"\n", "", 5, "contact.ops.city"},
		{"a relative path", `"/etc/nginx/tls/www.pem"`, `"tls/www.pem"`, 15, "certificate[0].deploy[0].fullchain"},
		{"a path that is written twice", `"/etc/nginx/tls/www.key"`, `"/etc/nginx/tls/www.pem"`, 15, "certificate[0].deploy[0].fullchain"},
		{"a form that the key has not", "  [[certificate.deploy]]", "key_type = \"ec256\"\n  [[certificate.deploy]]\n  key_format = \"pkcs1\"", 16, "certificate[0].deploy[0].key_format"}, // fault 146
		{"old ciphers without their store", `  key =`, "  pfx_legacy = true\n  key =", 16, "certificate[0].deploy[0].pfx_legacy"},
		{"a form of no key", "  key = \"/etc/nginx/tls/www.key\"\n", "  key_format = \"pkcs8\"\n", 16, "certificate[0].deploy[0].key_format"},
		{"a mode of no key", "  key = \"/etc/nginx/tls/www.key\"\n", "  key_mode = \"0640\"\n", 16, "certificate[0].deploy[0].key_mode"},
		{"a mode of nothing but a key", "  fullchain = \"/etc/nginx/tls/www.pem\"\n", "  mode = \"0644\"\n", 15, "certificate[0].deploy[0].mode"},
		{"a server name for no probe", `  key =`, "  probe_server_name = \"example.com\"\n  key =", 16, "certificate[0].deploy[0].probe_server_name"},
		{"an owner that is an option", `  key =`, "  owner = \"--help\"\n  key =", 16, "certificate[0].deploy[0].owner"}, // fault 145
		{"a relative state_dir", `"/var/lib/dvagent"`, `"state"`, 1, "state_dir"},
		{"a plain endpoint elsewhere", `access_key_id =`, "cas_endpoint = \"http://cas.example.com\"\naccess_key_id =", 3, "account.main.cas_endpoint"},
		{"a secret without its id", "access_key_id = \"LTAIexample\"\n", "", 2, "account.main.access_key_id"},
		{"a secret from two sources", `access_key_secret =`, "access_key_secret_env = \"X\"\naccess_key_secret =", 5, "account.main.access_key_secret"},
		{"a window of all the lifetime", `name = "shop"`, "name = \"shop\"\nrenew_before = \"100%\"", 19, "certificate[1].renew_before"},
		{"looks at an order too close to each other", "[contact.ops]", "[limits]\nshortest_poll = \"10ms\"\n[contact.ops]", 6, "limits.shortest_poll"},
		{"a duration without a unit", "[contact.ops]", "[limits]\norder_deadline = \"48\"\n[contact.ops]", 6, "limits.order_deadline"},
		{"a status page for other hosts", "[contact.ops]", "[service]\nlisten = \"0.0.0.0:9321\"\n[contact.ops]", 6, "service.listen"},
		{"a status page for other hosts without a token", "[contact.ops]", "[service]\nlisten = \"0.0.0.0:9321\"\ntls_cert = \"/c\"\ntls_key = \"/k\"\n[contact.ops]", 6, "service.listen"},
		{"a status page for other hosts without TLS", "[contact.ops]", "[service]\nlisten = \"[::]:9321\"\ntoken = \"canary-0123456789\"\n[contact.ops]", 6, "service.listen"},
		{"a status page nowhere", "[contact.ops]", "[service]\nlisten = \":9321\"\n[contact.ops]", 6, "service.listen"},
		{"half a pair for the status page", "[contact.ops]", "[service]\ntls_cert = \"/c\"\n[contact.ops]", 5, "service.tls_key"},
		{"the other half", "[contact.ops]", "[service]\ntls_key = \"/k\"\n[contact.ops]", 5, "service.tls_cert"},
		{"a token that can be guessed", "[contact.ops]", "[service]\ntoken = \"canary\"\n[contact.ops]", 6, "service.token"},
		{"a token from two sources", "[contact.ops]", "[service]\ntoken_env = \"X\"\ntoken = \"canary-0123456789\"\n[contact.ops]", 7, "service.token"},
		{"a token file that is not there", "[contact.ops]", "[service]\ntoken_file = \"/nowhere/token\"\n[contact.ops]", 6, "service.token_file"},
		{"a token for no port", "[contact.ops]", "[service]\ntoken = \"canary-0123456789\"\n[contact.ops]", 6, "service.token"},
		{"no requests at all", "[contact.ops]", "[limits]\nrequests_per_second = 0\n[contact.ops]", 6, "limits.requests_per_second"},
		{"no submissions at all", "[contact.ops]", "[limits]\nsubmissions_per_day = 0\n[contact.ops]", 6, "limits.submissions_per_day"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(sound, tt.old) != 1 {
				t.Fatalf("%q does not stand once in the sound configuration", tt.old)
			}
			_, err := load(t, strings.Replace(sound, tt.old, tt.new, 1))
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v", err)
			}
			if wrong.Line != tt.line || wrong.Key != tt.key {
				t.Errorf("got %d %s, want %d %s: %v", wrong.Line, wrong.Key, tt.line, tt.key, err)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
				t.Errorf("not one clean line: %q", err)
			}
		})
	}
}

// fault 80
func TestDomainsAreNormalised(t *testing.T) {
	got, err := normaliseAll([]string{"WWW.Example.COM.", "*.bücher.example", "www.example.com"})
	want := []string{"www.example.com", "*.xn--bcher-kva.example"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

// fault 82
func TestAWindowIsShorterThanTheLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name, window string
		want         time.Duration
	}{
		{"a share of the lifetime", "25%", 50 * day},
		{"a number of days", "30d", 30 * day},
		{"a duration", "36h", 36 * time.Hour},
		{"a window as long as the lifetime is cut to two thirds", "200d", 200 * day * 2 / 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			window, err := parseWindow(tt.window)
			if err != nil {
				t.Fatal(err)
			}
			if got := window.Of(200 * day); got.Round(time.Second) != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// fault 78
func TestFilesThatOthersCanReadAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name      string
		dir, file os.FileMode
		refused   bool
		advice    string
	}{
		{"only the owner reads", 0o700, 0o600, false, ""},
		{"the group reads", 0o755, 0o640, false, ""},
		{"others read", 0o755, 0o644, true, "chmod o-rw "},
		{"others write the directory", 0o777, 0o600, true, "chmod o-w "},
		{"others write a sticky directory", os.ModeSticky | 0o777, 0o600, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			path := filepath.Join(dir, "agent.toml")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte(sound), 0o600),
				os.Chmod(path, tt.file), os.Chmod(dir, tt.dir)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			var wrong *Error
			if errors.As(err, &wrong) != tt.refused || tt.refused && !strings.HasPrefix(wrong.Hint, tt.advice) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAFileNeedsNoZone(t *testing.T) {
	text := strings.Replace(sound, `name = "shop"`, "name = \"shop\"\naccount = \"main\"\nvalidation = \"file\"\nwebroot = \"/var/www/html\"", 1)
	c, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if shop := c.Certificates[1]; shop.Webroot != "/var/www/html" || shop.DNSAccount != "" || shop.Account != "main" {
		t.Errorf("got %+v", shop)
	}
}
