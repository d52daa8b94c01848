package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"dvagent/deploy"
	"dvagent/hooks"
	"dvagent/internal/aliyun"
	"dvagent/internal/command"
)

const examplePath = "../../agent.toml.example"

// example returns the file as it is shipped, and with every key in force.
func example(t *testing.T) (shipped, whole string) {
	t.Helper()
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	off := regexp.MustCompile(`(?m)^( *)#([a-z\[])`)
	return string(text), off.ReplaceAllString(string(text), "$1$2")
}

func decodeExample(t *testing.T) (document, toml.MetaData) {
	t.Helper()
	_, whole := example(t)
	var doc document
	metadata, err := toml.Decode(whole, &doc)
	if err != nil {
		t.Fatalf("with every key in force: %v", err)
	}
	return doc, metadata
}

func TestTheExampleIsSound(t *testing.T) {
	shipped, _ := example(t)
	checkSound(t, shipped)
}

func TestTheSmallestConfigurationOfTheDocsIsSound(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```toml\n")
	block, _, _ = strings.Cut(block, "```")
	checkSound(t, strings.Replace(block, "LTAI…", "LTAIexample", 1))
}

// checkSound loads a configuration with one certificate and one deployment
// whose secret lies in a directory of the test's.
func checkSound(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("not-a-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, strings.ReplaceAll(text, "/etc/dvagent", dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Certificates) != 1 || len(c.Certificates[0].Deploy) != 1 {
		t.Errorf("one certificate with one deployment is expected, not %+v", c.Certificates)
	}
}

func TestTheExampleNamesEveryKey(t *testing.T) {
	_, metadata := decodeExample(t)
	if unknown := metadata.Undecoded(); len(unknown) > 0 {
		t.Errorf("it names keys that there are not: %v", unknown)
	}
	named := map[string]bool{}
	for _, key := range metadata.Keys() {
		named[withoutName(key)] = true
	}
	for _, key := range keysOf(reflect.TypeFor[document]()) {
		if !named[key] {
			t.Errorf("it does not name %s", key)
		}
	}
}

// withoutName leaves out what the operator calls an account or a contact.
func withoutName(key toml.Key) string {
	if len(key) > 1 && (key[0] == "account" || key[0] == "contact") {
		key = slices.Concat(key[:1], key[2:])
	}
	return strings.Join(key, ".")
}

// keysOf lists the key paths of a table, its tables' own keys included.
func keysOf(table reflect.Type) []string {
	var keys []string
	for field := range table.Fields() {
		key := field.Tag.Get("toml")
		keys = append(keys, key)
		inner := field.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		for _, sub := range keysOf(inner) {
			keys = append(keys, key+"."+sub)
		}
	}
	return keys
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	doc, _ := decodeExample(t)
	defaults := newDocument()
	account := doc.Account[slices.Sorted(maps.Keys(doc.Account))[0]]
	certificate := doc.Certificate[0]
	target := certificate.Deploy[0]
	limits := doc.Limits
	limits.RequestsPerSecond = nil
	for _, tt := range []struct {
		key         string
		shown, want any
	}{
		{"state_dir", doc.StateDir, defaults.StateDir},
		{"dns", doc.DNS, defaults.DNS},
		{"limits.requests_per_second", *doc.Limits.RequestsPerSecond, aliyun.DefaultRequestsPerSecond},
		{"limits", limits, defaults.Limits},
		{"service.interval", doc.Service.Interval, defaults.Service.Interval},
		{"service.listen", doc.Service.Listen, defaults.Service.Listen},
		{"fleet.prefix", doc.Fleet.Prefix, defaults.Fleet.Prefix},
		{"fleet.canaries", doc.Fleet.Canaries, defaults.Fleet.Canaries},
		{"account.region", account.Region, aliyun.DefaultRegion},
		{"account.cas_endpoint", account.CASEndpoint, aliyun.DefaultCASEndpoint},
		{"account.dns_endpoint", account.DNSEndpoint, aliyun.DefaultDNSEndpoint},
		{"account.sts_endpoint", account.STSEndpoint, aliyun.DefaultSTSEndpoint},
		{"certificate.renew_before", certificate.RenewBefore, defaultRenewBefore},
		{"certificate.deploy.pfx_legacy", target.PFXLegacy, false},
		{"certificate.deploy.jks_alias", target.JKSAlias, deploy.DefaultJKSAlias},
		{"certificate.deploy.mode", target.Mode, fmt.Sprintf("%04o", deploy.DefaultMode)},
		{"certificate.deploy.key_mode", target.KeyMode, fmt.Sprintf("%04o", deploy.DefaultKeyMode)},
		{"certificate.deploy.timeout", duration(t, target.Timeout), command.DefaultTimeout},
		{"hook.timeout", duration(t, doc.Hook[0].Timeout), hooks.Hook{}.Limit()},
	} {
		// An empty list in the file is no list in the code.
		if shown, want := fmt.Sprintf("%+v", tt.shown), fmt.Sprintf("%+v", tt.want); shown != want {
			t.Errorf("%s is shown as %s; the default is %s", tt.key, shown, want)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := ParseDuration(text)
	if err != nil {
		t.Error(err)
	}
	return d
}
