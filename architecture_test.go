package dvagent_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is the architecture: which of our packages each one may import.
// Imports run downward, so a package stands above everything that it names.
// Tests may import what they like.
var allowed = map[string][]string{
	"cmd/dvagent": {
		"cmd/dvagent/daemon", "cmd/dvagent/demo", "dashboard",
		"agent", "agent/account", "agent/check", "agent/config", "agent/fleet", "agent/order", "agent/setup", "agent/share", "agent/state", "agent/upload", "agent/view",
		"internal/aliyun", "internal/asroot", "internal/atomicfile", "internal/bundle", "internal/command", "internal/hint", "internal/line",
		"internal/manual", "internal/message", "internal/openat", "internal/sandbox", "internal/secret", "internal/spelling", "internal/terminal", "internal/unit", "internal/words",
	},
	"cmd/dvagent/daemon": {"agent", "agent/config", "agent/state", "agent/view", "dashboard", "internal/hint", "internal/line", "internal/words"},
	"cmd/dvagent/demo":   {"agent", "agent/config", "agent/state", "deploy", "internal/bundle", "internal/hint", "internal/line", "internal/sandbox", "internal/words"},
	"dashboard": {
		"agent/config", "agent/order", "agent/state", "agent/view", // and not agent: it asks the service
		"internal/bundle", "internal/line", "internal/message", "internal/openat", "internal/secret", "internal/words",
	},

	"agent": {
		"agent/account", "agent/config", "agent/fleet", "agent/install", "agent/issue", "agent/notice", "agent/order", "agent/proof",
		"agent/seal", "agent/share", "agent/state", "agent/upload", "agent/view", "internal/bundle", "internal/command", "internal/hint", "internal/words", "deploy",
	},
	"agent/check": { // alone knows nginx
		"agent/account", "agent/config", "agent/fleet", "agent/issue", "agent/order", "agent/proof", "agent/seal", "agent/state", "deploy", "dnsvalidate", "filevalidate", "notify",
		"internal/address", "internal/aliyun", "internal/asroot", "internal/bundle", "internal/command", "internal/hint", "internal/journal", "internal/nginx", "internal/openat", "internal/unit", "internal/words",
	},
	"agent/share":         {"agent/fleet", "agent/state", "internal/atomicfile", "internal/bundle", "internal/chance", "internal/hint", "internal/line", "internal/words"}, // no API
	"agent/setup":         {"internal/command", "internal/line", "internal/message", "internal/nginx", "internal/words"},
	"agent/account":       {"agent/config", "agent/issue", "agent/issue/cas2018", "agent/issue/cas2020", "agent/order", "agent/state", "agent/upload", "internal/aliyun", "internal/hint"},
	"agent/fleet":         {"agent/config", "agent/issue", "agent/order", "internal/atomicfile", "internal/bundle", "internal/chance", "internal/clock", "internal/hint", "internal/line", "internal/openat", "internal/words"}, // alone knows etcd
	"agent/issue/cas2020": {"agent/config", "agent/issue", "agent/order", "agent/upload", "internal/aliyun", "internal/bundle", "internal/clock", "internal/hint"},
	"agent/issue/cas2018": {"agent/issue", "agent/order", "agent/upload", "internal/aliyun", "internal/bundle"},
	"agent/issue":         {"agent/config", "agent/order", "agent/proof", "agent/state", "internal/bundle", "internal/chance", "internal/hint", "internal/line", "internal/words"}, // no deployment, hook or notice
	"agent/proof":         {"agent/order", "agent/state", "dnsvalidate", "filevalidate", "internal/aliyun", "internal/hint", "internal/line", "internal/together"},
	"agent/install":       {"agent/rollout", "agent/state", "deploy", "hooks", "internal/bundle", "internal/command", "internal/hint"}, // no API
	"agent/upload":        {"agent/rollout", "agent/state", "internal/bundle", "internal/hint"},                                        // no API
	"agent/view": { // neither the API nor DNS: no look at the page calls one
		"agent/config", "agent/notice", "agent/order", "agent/rollout", "agent/seal", "agent/state", "deploy", "hooks", "internal/bundle", "internal/journal", "internal/words",
	},
	"agent/notice":  {"agent/state", "internal/atomicfile", "internal/message", "internal/untouched", "notify", "internal/words"},
	"agent/state":   {"agent/config", "agent/order", "agent/rollout", "agent/seal", "deploy", "hooks", "internal/atomicfile", "internal/bundle", "internal/chance", "internal/clock", "internal/hint", "internal/journal", "internal/openat", "internal/untouched", "internal/words", "internal/spelling"},
	"agent/config":  {"deploy", "dnsvalidate", "hooks", "internal/address", "internal/bundle", "internal/command", "internal/hint", "internal/message", "internal/openat", "internal/secret", "internal/users", "notify", "internal/spelling"},
	"agent/seal":    {"agent/config", "agent/rollout", "deploy", "internal/atomicfile", "internal/bundle", "internal/openat"}, // and not agent/state: it decides nothing
	"agent/order":   {"internal/atomicfile", "internal/clock", "internal/hint", "internal/journal", "internal/line", "internal/openat", "internal/untouched"},
	"agent/rollout": {"internal/clock", "internal/journal"},

	"deploy":       {"internal/address", "internal/asroot", "internal/atomicfile", "internal/bundle", "internal/clock", "internal/command", "internal/hint", "internal/network", "internal/openat", "internal/secret", "internal/tls13", "internal/users", "internal/words"},
	"dnsvalidate":  {"internal/aliyun", "internal/hint", "internal/network", "internal/together"},
	"filevalidate": {"internal/atomicfile", "internal/hint", "internal/line", "internal/network", "internal/openat"},
	"hooks":        {"internal/bundle", "internal/command", "internal/line"},
	"notify":       {"internal/address", "internal/hint", "internal/https", "internal/line", "internal/message", "internal/network", "internal/secret"},

	"internal/aliyun":     {"internal/address", "internal/chance", "internal/clock", "internal/hint", "internal/https", "internal/openat", "internal/secret"},
	"internal/address":    {"internal/hint"},
	"internal/asroot":     {"internal/command"},
	"internal/bundle":     {"internal/atomicfile", "internal/hint", "internal/openat", "internal/untouched", "internal/words"},
	"internal/command":    {"internal/hint", "internal/line"},
	"internal/journal":    {"internal/atomicfile", "internal/openat", "internal/untouched"},
	"internal/nginx":      {"internal/command", "internal/hint"},
	"internal/atomicfile": {"internal/openat"},
	"internal/untouched":  {"internal/openat"},
	"internal/openat":     {"internal/hint"},
	"internal/page":       {},
	"internal/chance":     {},
	"internal/together":   {},
	"internal/clock":      {},
	"internal/hint":       {},
	"internal/https":      {"internal/network"},
	"internal/line":       {},
	"internal/manual":     {"internal/openat"},
	"internal/message":    {},
	"internal/network":    {},
	"internal/secret":     {"internal/hint", "internal/openat", "internal/unit"},
	"internal/spelling":   {},
	"internal/terminal":   {},
	"internal/tls13":      {},
	"internal/unit":       {"internal/openat"},
	"internal/users":      {"internal/command", "internal/hint"},
	"internal/words":      {},
	"internal/servertest": {},
	"internal/simulate":   {},
	"internal/sandbox":    {}, // shares no code with the client that it tests

	"agent/fleet/fleettest":      {"agent/config", "internal/secret", "internal/servertest"},
	"agent/statetest":            {"agent/rollout", "deploy", "hooks", "internal/bundle/bundletest"},
	"dnsvalidate/dnstest":        {"internal/servertest"},
	"internal/bundle/bundletest": {"internal/bundle"},
	"notify/notifytest":          {},
}

const (
	module = "dvagent/"
	sdk    = "github.com/aliyun/alibaba-cloud-sdk-go/"
	sdkAt  = "internal/aliyun"
)

// unit is one package that is more than tests.
type unit struct {
	path, name, doc string // path without the module's
	imports         []string
}

func units(t *testing.T) []unit {
	t.Helper()
	const format = "{{if .GoFiles}}{{.ImportPath}}\t{{.Name}}\t{{.Doc}}\t{{join .Imports \" \"}}{{end}}"
	out, err := exec.Command("go", "list", "-f", format, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []unit
	for line := range strings.Lines(string(out)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		all = append(all, unit{strings.TrimPrefix(field[0], module), field[1], field[2], strings.Fields(field[3])})
	}
	if len(all) == 0 {
		t.Fatal("go list finds no package")
	}
	return all
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, u := range units(t) {
		row, known := allowed[u.path]
		if !known {
			t.Errorf("%s is not in the table: say what it may import", u.path)
			continue
		}
		for _, path := range u.imports {
			if ours, found := strings.CutPrefix(path, module); found && !slices.Contains(row, ours) {
				t.Errorf("%s imports %s, which the table does not allow", u.path, ours)
			}
		}
	}
}

func TestTheTableNamesPackagesThatExist(t *testing.T) {
	there := map[string]bool{}
	for _, u := range units(t) {
		there[u.path] = true
	}
	for path, row := range allowed {
		for _, named := range append([]string{path}, row...) {
			if !there[named] {
				t.Errorf("the table names %s in the row of %s, and there is no such package", named, path)
			}
		}
	}
}

func TestOnePackageImportsTheSDK(t *testing.T) {
	wall := false
	for _, u := range units(t) {
		imports := slices.ContainsFunc(u.imports, func(path string) bool { return strings.HasPrefix(path, sdk) })
		wall = wall || imports && u.path == sdkAt
		if imports && u.path != sdkAt {
			t.Errorf("%s imports the SDK; %s alone may", u.path, sdkAt)
		}
	}
	if !wall {
		t.Errorf("%s does not import the SDK: this test looks for the wrong path", sdkAt)
	}
}

// What a package makes at its initialisation costs time at each start, of any command.
func TestTheProgramLinksNothingThatMakesManPages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/dvagent").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	linked := strings.Fields(string(out))
	for _, path := range []string{module + "internal/manual", "github.com/spf13/cobra/doc", "github.com/russross/blackfriday/v2", "go.yaml.in/yaml/v3"} {
		if slices.Contains(linked, path) {
			t.Errorf("%s is linked into the program", path)
		}
	}
	if !slices.Contains(linked, "github.com/spf13/cobra") {
		t.Error("cobra is not linked: this test looks for the wrong paths")
	}
}

func TestEachPackageSaysWhatItIs(t *testing.T) {
	for _, u := range units(t) {
		form := "Package " + u.name + " "
		if u.name == "main" {
			form = "Command "
		}
		if !strings.HasPrefix(u.doc, form) {
			t.Errorf("%s has no package comment that begins with %q", u.path, form)
		}
		if slices.Contains([]string{"util", "common", "helpers", "manager", "types"}, u.name) {
			t.Errorf("%s: the name says nothing of what is in it", u.path)
		}
	}
}

func TestContributingNamesEachPackageAndDependency(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	expected := strings.Fields(string(out))
	for path := range allowed {
		expected = append(expected, path)
	}
	for _, name := range expected {
		if !strings.Contains(string(text), "\n| `"+name+"` | ") {
			t.Errorf("CONTRIBUTING.md has no row for %s", name)
		}
	}
}
