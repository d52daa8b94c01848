package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/internal/sandbox"
)

// desk is a sound configuration in a directory of its own, and the sandbox
// that must not hear of an unsound one.
type desk struct {
	dir, path, text string
	sandbox         *sandbox.Sandbox
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s := startSandbox(t, sandbox.Options{AccessKeySecret: canary})
	d := &desk{dir: t.TempDir(), sandbox: s}
	d.path = filepath.Join(d.dir, "agent.toml")
	d.text = s.AgentConfig(filepath.Join(d.dir, "state")) + fmt.Sprintf(`
  [[certificate.deploy]]
  fullchain = "%[1]s/site.pem"
  key = "%[1]s/site.key"
  timeout = "1m"

[[certificate]]
name = "shop"
domains = ["shop.example.com"]
  [[certificate.deploy]]
  combined = "%[1]s/shop.pem"
`, d.dir)
	return d
}

// write puts the configuration on disk with one change; old has to occur in it
// exactly once.
func (d *desk) write(t *testing.T, old, new string) {
	t.Helper()
	if strings.Count(d.text, old) != 1 {
		t.Fatalf("%q does not stand once in the configuration:\n%s", old, d.text)
	}
	changed := strings.Replace(d.text, old, new, 1)
	if err := os.WriteFile(d.path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lineOf is the number of the first line with that text in the written file.
func (d *desk) lineOf(t *testing.T, text string) int {
	t.Helper()
	content, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(content), text)
	if !found {
		t.Fatalf("%q is not in the configuration", text)
	}
	return strings.Count(before, "\n") + 1
}

// refused checks that a command ends with exit code 2 and one line with that
// beginning, prints nothing else and calls nothing.
func (d *desk) refused(t *testing.T, beginning string, args ...string) (line string) {
	t.Helper()
	code, stdout, stderr := dvagent(t, append([]string{"--config", d.path}, args...)...)
	if code != exitUsage || stdout != "" {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	if !strings.HasPrefix(stderr, "dvagent: "+beginning) || strings.Count(stderr, "\n") != 1 || secretIn(stderr) != "" {
		t.Errorf("stderr is %q, want one line that begins with %q", stderr, beginning)
	}
	if calls := d.sandbox.History(); len(calls) > 0 {
		t.Errorf("%d calls were made, the first is %s", len(calls), calls[0].Action)
	}
	return stderr
}

// fault 77, fault 78, fault 80, fault 81, fault 82, fault 87
func TestAnUnsoundConfigurationIsRefusedWithFileLineAndKey(t *testing.T) {
	d := newDesk(t)
	const shop, inShop = `["shop.example.com"]`, "certificate[1].domains"
	for _, tt := range []struct{ name, old, new, at, key string }{
		{"an unknown key", `name = "shop"`, "name = \"shop\"\nrenew_befor = \"30d\"", "renew_befor", "certificate[1].renew_befor"},
		{"an unknown table", `[contact.sandbox]`, "[contacts.x]\n[contact.sandbox]", "[contacts.x]", "contacts.x"},
		{"a wrong type", shop, `"shop.example.com"`, `domains = "shop`, inShop},
		{"a number for a text", `timeout = "1m"`, "timeout = 60", "timeout = 60", "certificate[0].deploy[0].timeout"},
		{"two certificates of one name", `name = "shop"`, `name = "example.com"`, "name = \"example.com\"\ndomains = [\"shop", "certificate[1].name"},
		{"a name that is a path", `name = "shop"`, `name = "../shop"`, `name = "../shop"`, "certificate[1].name"},
		{"an unknown account", `name = "shop"`, "name = \"shop\"\naccount = \"other\"", `account = "other"`, "certificate[1].account"},
		{"an unknown contact", `name = "shop"`, "name = \"shop\"\ncontact = \"other\"", `contact = "other"`, "certificate[1].contact"},
		{"no domain", shop, `[]`, "domains = []", inShop},
		{"an empty domain", shop, `[""]`, `domains = [""]`, inShop},
		{"only dots", shop, `[".."]`, `domains = [".."]`, inShop},
		{"an empty label", shop, `["shop..example.com"]`, `domains = ["shop..`, inShop},
		{"254 characters", shop, `["` + strings.Repeat("a.", 125) + `coma"]`, `domains = ["a.a.`, inShop},
		{"a label of 64 characters", shop, `["` + strings.Repeat("a", 64) + `.example.com"]`, `domains = ["aaaa`, inShop},
		{"a wildcard under a wildcard", shop, `["*.*"]`, `domains = ["*.*"]`, inShop},
		{"a wildcard in the middle", shop, `["shop.*.example.com"]`, `domains = ["shop.*`, inShop},
		{"an address", shop, `["192.0.2.1"]`, `domains = ["192`, inShop},
		{"an address of IPv6", shop, `["2001:db8::1"]`, `domains = ["2001`, inShop},
		{"a URL", shop, `["https://shop.example.com"]`, `domains = ["https`, inShop},
		{"the same names twice in one account", shop, `["*.example.com", "EXAMPLE.com."]`, `domains = ["*.example`, inShop},
		{"a relative path to write", `fullchain = "` + d.dir + `/site.pem"`, `fullchain = "site.pem"`, `fullchain = "site.pem"`, "certificate[0].deploy[0].fullchain"},
		{"a relative state directory", `state_dir = "` + d.dir + `/state"`, `state_dir = "state"`, "state_dir", "state_dir"},
		{"two certificates with one output path", d.dir + "/shop.pem", d.dir + "/site.pem", "combined", "certificate[1].deploy[0].combined"},
		{"one path written twice", d.dir + "/site.key", d.dir + "/site.pem", "fullchain = \"" + d.dir + "/site.pem", "certificate[0].deploy[0].fullchain"},
		{"a plain endpoint that is not loopback", `dns_endpoint = `, "dns_endpoint = \"http://alidns.example.com\" #", "dns_endpoint", "account.main.dns_endpoint"},
		{"a bad duration", `timeout = "1m"`, `timeout = "1 minute"`, `timeout = "1 minute"`, "certificate[0].deploy[0].timeout"},
		{"a duration of nothing", `name = "shop"`, "name = \"shop\"\nrenew_before = \"0s\"", "renew_before", "certificate[1].renew_before"},
		{"a bad quorum", "[dns]\n", "[dns]\nquorum = \"most\"\n", "quorum", "dns.quorum"},
		{"a resolver without a port", "[dns]\n", "[dns]\npublic_resolvers = [\"223.5.5.5\"]\n", "public_resolvers", "dns.public_resolvers"},
		{"broken syntax", `name = "shop"`, `name = "shop`, `name = "shop`, "certificate[1].name"},
		{"a line of rubbish", `name = "shop"`, "name = \"shop\"\nrubbish", "rubbish", "certificate[1]"},
		{"a secret without quotes", `access_key_secret = "` + canary + `"`, "access_key_secret = " + canary, "access_key_secret", "account.main.access_key_secret"},
		{"a list of secrets", `access_key_secret = "` + canary + `"`, `access_key_secret = ["` + canary + `"]`, "access_key_secret", "account.main.access_key_secret"},
		{"an unknown event", `[[certificate]]` + "\nname = \"shop\"", "[[hook]]\non = [\"renewed\"]\ncommand = [\"/bin/true\"]\n[[certificate]]\nname = \"shop\"", `on = ["renewed"]`, "hook[0].on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.write(t, tt.old, tt.new)
			d.refused(t, fmt.Sprintf("%s:%d: %s: ", d.path, d.lineOf(t, tt.at), tt.key), "renew")
			if _, err := os.Stat(filepath.Join(d.dir, "state")); !os.IsNotExist(err) {
				t.Errorf("the state directory was made")
			}
		})
	}
}

// fault 78
func TestFilesThatOthersCanReadAreRefusedWithTheLineToRun(t *testing.T) {
	d := newDesk(t)
	d.write(t, "access_key_secret = \""+canary+"\"", fmt.Sprintf("access_key_secret_file = %q", d.dir+"/secret"))
	for _, tt := range []struct {
		name              string
		dir, file, secret os.FileMode
		at, key, advice   string
	}{
		{"the configuration", 0o700, 0o644, 0o600, "", "", "chmod o-rw " + d.path},
		{"the secret", 0o700, 0o600, 0o604, "access_key_secret_file", "account.main.access_key_secret_file", "chmod o-rw " + d.dir + "/secret"},
		{"a directory that others can write", 0o777, 0o600, 0o600, "", "", "chmod o-w " + d.dir},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(d.dir+"/secret", []byte(canary+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for path, mode := range map[string]os.FileMode{d.dir: tt.dir, d.path: tt.file, d.dir + "/secret": tt.secret} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			beginning := d.path + ": "
			if tt.at != "" {
				beginning = fmt.Sprintf("%s:%d: %s: ", d.path, d.lineOf(t, tt.at), tt.key)
			}
			line := d.refused(t, beginning, "renew")
			if !strings.HasSuffix(line, "(hint: "+tt.advice+")\n") {
				t.Errorf("%q does not end with the line to run, %q", line, tt.advice)
			}
		})
	}
}

func TestAMistakeOnTheCommandLineIsRefused(t *testing.T) {
	d := newDesk(t)
	d.write(t, d.text, d.text)
	for _, tt := range []struct{ name, line, beginning string }{
		{"an unknown flag", "renew --froce", "unknown flag: --froce"},
		{"an unknown flag of the program", "--froce renew", "unknown flag: --froce"},
		{"an unknown command", "renwe", `unknown command "renwe"`},
		{"an unknown command under certs", "certs prone", `unknown command "prone"`},
		{"a shell that there is not", "completion bsh", `unknown command "bsh" for "dvagent completion"`},
		{"a name too many", "status one two", `dvagent status takes one NAME, and "two" is one too many`},
		{"a name too few", "abandon", "dvagent abandon wants a NAME"},
		{"a word where there are no names", "orders now", `dvagent orders takes no argument, and "now" is one`},
		{"a flag without its value", "renew --timeout", "--timeout wants a value"},
		{"a flag with a wrong value", "renew --timeout soon", `--timeout: "soon" is not a positive duration`},
		{"a time before now", "renew --lock-wait -1h", `--lock-wait: "-1h" is not a positive duration`},
		{"neither true nor false", "renew --no-wait=maybe", `--no-wait: "maybe" is neither true nor false`},
		{"a short flag that there is not", "renew -f", "unknown flag: -f"},
		{"a number for a flag", "certs show -1", "unknown flag: -1"},
		{"no name of a configuration", "--config= plan", "--config names no file"},
		{"a user that there is not", "check --as nobody-here", `--as: no user is named "nobody-here"`},
		{"no time at all", "renew --timeout 0s", "--timeout"},
		{"a flag that is required", "certs download 7", `--out is missing`},
		{"an unknown log level", "--log-level loud plan", "--log-level"},
		{"an unknown log format", "--log-format xml plan", "--log-format"},
		{"a name to renew that is not configured", "renew other", `no certificate is named "other"`},
		{"a name to deploy that is not configured", "deploy other", `no certificate is named "other"`},
		{"a name to roll back that is not configured", "rollback other", `no certificate is named "other"`},
		{"a name to show that is not configured", "status other", `no certificate is named "other"`},
		{"a name to upload that is not configured", "certs upload other", `no certificate is named "other"`},
		{"a name to abandon that is a path", "abandon ../other", ""},
		{"a name to abandon that nothing is kept of", "abandon other", `no certificate is named "other"`},
		{"a version to roll back to that is not kept", "rollback shop --to 20200101-000000000000", `shop has no version "20200101-000000000000"`},
		{"an order to adopt where no package is", "renew --adopt 7 shop", "only orders from a package are adopted by their number"},
		{"an account that is not configured", "orders --account other", `--account: no account is named "other" (there is main)`},
		{"an upload into another account than the certificate's", "certs upload shop --account other", `shop is a certificate of account "main", not "other"`},
		{"a configuration for the demo", "demo", "demo reads no configuration"},
		{"a configuration for a sandbox", "sandbox", "sandbox reads no configuration"},
		{"a wait for a lock that is not taken", "check --lock-wait 1s", "--lock-wait is for --online alone"},
		{"a quiet log that tells much", "--log-level debug renew --quiet", "--quiet logs only errors"},
		{"a certificate that is no number", "certs show seven", `"seven" is not the id of a certificate`},
		{"a delete of no number", "certs delete seven", `"seven" is not the id of a certificate`},
		{"an id too few", "certs delete", "dvagent certs delete wants an ID"},
		{"a rollback of all hosts where there is one", "rollback shop --fleet", "this host is alone"},
		{"a delete that is not meant", "certs delete 7", "deleting cannot be undone"},
		{"a configuration that is not there", "--config /nowhere/agent.toml plan", "/nowhere/agent.toml: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.refused(t, tt.beginning, strings.Fields(tt.line)...)
		})
	}
}

func TestASandboxRefusesWhatItWouldNotDo(t *testing.T) {
	for _, tt := range []struct{ name, flags, beginning string }{
		{"an instance count below zero", "--instances -1", "--instances"},
		{"no name server", "--nameservers 0", "--nameservers"},
		{"a propagation time for a third name server", "--propagation 1s,2s,3s", "--propagation has 3 times for 2"},
		{"a time to issue below nothing", "--issue-after -1s", "--issue-after"},
		{"no lifetime", "--lifetime 0s", "--lifetime"},
		{"a term below nothing", "--term=-1h", "--term"},
		{"a propagation below nothing", "--propagation=-1s", "--propagation"},
		{"names below zero", "--names -1", "--test-instances, --names"},
		{"name servers without end", "--nameservers 100000", "--nameservers must be at most 100"},
		{"a word for a number", "--seed x", `--seed: "x" is not a whole number`},
		{"a time without a unit", "--propagation 5", `--propagation: "5" is not a list of times`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := dvagent(t, append([]string{"sandbox"}, strings.Fields(tt.flags)...)...)
			if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "dvagent: "+tt.beginning) {
				t.Errorf("exit code %d, %s%s", code, stdout, stderr)
			}
		})
	}
}

// fault 79, fault 80
func TestWhatIsOnlySpelledDifferentlyIsAccepted(t *testing.T) {
	d := newDesk(t)
	for _, tt := range []struct{ name, old, new, domains string }{
		{"a trailing dot", `["shop.example.com"]`, `["shop.example.com."]`, `"shop.example.com"`},
		{"upper case", `["shop.example.com"]`, `["SHOP.Example.COM"]`, `"shop.example.com"`},
		{"an IDN", `["shop.example.com"]`, `["*.bücher.example"]`, `"*.xn--bcher-kva.example"`},
		{"a name twice", `["shop.example.com"]`, `["shop.example.com", "Shop.example.com."]`, `"shop.example.com"`},
		{"253 characters", `["shop.example.com"]`, `["` + strings.Repeat("a.", 125) + `com"]`, `"` + strings.Repeat("a.", 125) + `com"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.write(t, tt.old, tt.new)
			code, stdout, stderr := dvagent(t, "--config", d.path, "plan", "--json")
			compact := strings.Join(strings.Fields(stdout), "")
			if code != exitOK || stderr != "" || !strings.Contains(compact, `"domains":[`+tt.domains+`]`) {
				t.Errorf("exit code %d, %s%s", code, stdout, stderr)
			}
		})
	}
}
