// Package packaging_test builds the packages as packaging/build does for
// publication, and looks at what they install. It takes two minutes, so it
// runs where DVAGENT_LONG_TESTS is 1.
package packaging_test

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const version = "1.2.3"

func TestMain(m *testing.M) {
	if os.Getenv("DVAGENT_LONG_TESTS") != "1" {
		fmt.Println("DVAGENT_LONG_TESTS=1 builds the packages: they were not tried")
		return
	}
	os.Exit(m.Run())
}

// fault 176: what is linked in is named, and comes with its license
func TestThePackagesInstallWhatAHostNeeds(t *testing.T) {
	dist := t.TempDir()
	build(t, "..", dist)
	sumsHold(t, dist)
	for _, architecture := range []struct {
		name, deb, rpm string
		machine        elf.Machine
	}{
		{"amd64", "amd64", "x86_64", elf.EM_X86_64},
		{"arm64", "arm64", "aarch64", elf.EM_AARCH64},
	} {
		binary := filepath.Join(dist, "dvagent-linux-"+architecture.name)
		isStatic(t, binary, architecture.machine)
		names(t, binary+".cdx.json", linked(t, binary))
		for _, p := range []struct{ kind, file, unpack, zsh string }{
			{"deb", "dvagent_" + version + "_" + architecture.deb + ".deb", `dpkg-deb -x "$0" .`, "vendor-completions"},
			{"rpm", "dvagent-" + version + "-1." + architecture.rpm + ".rpm", `rpm --install --root "$PWD" --nodeps --noscripts --ignorearch "$0"`, "site-functions"},
		} {
			t.Run(p.kind+" for "+architecture.name, func(t *testing.T) {
				root := unpack(t, filepath.Join(dist, p.file), p.unpack)
				holds(t, root, map[string]fs.FileMode{
					"etc/dvagent":                                      fs.ModeDir | 0o750,
					"usr/bin/dvagent":                                  0o755,
					"usr/lib/systemd/system":                           fs.ModeDir | 0o755,
					"usr/lib/systemd/system/dvagent.service":           0o644,
					"usr/lib/systemd/system/dvagent-renew.timer":       0o644,
					"usr/lib/systemd/system/dvagent-reload-nginx.path": 0o644,
					"usr/lib/systemd/system/dvagent-root.socket":       0o644,
					"usr/lib/systemd/system/dvagent-root@.service":     0o644,
					"usr/lib/sysusers.d/dvagent.conf":                  0o644,
					"usr/lib/tmpfiles.d/dvagent.conf":                  0o644,
					"usr/share/doc/dvagent/agent.toml.example":         0o644,
					"usr/share/doc/dvagent/examples/systemd/root.conf": 0o644,
					"usr/share/doc/dvagent/docs/threats.md":            0o644,
					"usr/share/doc/dvagent/README.zh-CN.md":            0o644,
					"usr/share/doc/dvagent/docs/zh/threats.md":         0o644,
					"usr/share/doc/dvagent/sbom.cdx.json":              0o644,
					"usr/share/doc/dvagent/licenses/go/LICENSE":        0o644,
					"usr/share/man/man8/dvagent-renew.8.gz":            0o644,
					"usr/share/man/man5/agent.toml.5.gz":               0o644,
					"usr/share/bash-completion/completions/dvagent":    0o644,
					"usr/share/fish/vendor_completions.d/dvagent.fish": 0o644,
					"usr/share/zsh/" + p.zsh + "/_dvagent":             0o644,
				})
				same(t, binary, filepath.Join(root, "usr/bin/dvagent"))
				same(t, binary+".cdx.json", filepath.Join(root, "usr/share/doc/dvagent/sbom.cdx.json"))
				licensed(t, filepath.Join(root, "usr/share/doc/dvagent/licenses"), linked(t, binary))
				unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/dvagent.service"))
				if err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/dvagent run\n") {
					t.Errorf("the unit does not start /usr/bin/dvagent: %v\n%s", err, unit)
				}
			})
		}
	}
	out, err := exec.Command(filepath.Join(dist, "dvagent-linux-"+hostArch(t)), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "dvagent "+version+"\ncommit ") || strings.Contains(string(out), "unknown") {
		t.Errorf("version: %v: %s", err, out)
	}
}

// fault 176
func TestTheSameSourcesElsewhereGiveTheSameBytes(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "some where", "else")
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", "-a", "../.", elsewhere)
	first, second := t.TempDir(), t.TempDir()
	build(t, "..", first, "amd64")
	build(t, elsewhere, second, "amd64")
	built, err := filepath.Glob(filepath.Join(first, "*"))
	if err != nil || len(built) != 6 {
		t.Fatalf("%d files were built: %v", len(built), err)
	}
	for _, path := range built {
		same(t, path, filepath.Join(second, filepath.Base(path)))
	}
}

func build(t *testing.T, sources, dist string, architectures ...string) {
	t.Helper()
	run(t, filepath.Join(sources, "packaging", "build"), append([]string{dist, version}, architectures...)...)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// linked are the modules of a binary, as PATH@VERSION, in the order of their paths.
func linked(t *testing.T, binary string) []string {
	t.Helper()
	info, err := buildinfo.ReadFile(binary)
	if err != nil || len(info.Deps) == 0 {
		t.Fatalf("%s holds no module: %v", binary, err)
	}
	var modules []string
	for _, module := range info.Deps {
		modules = append(modules, module.Path+"@"+module.Version)
	}
	return modules
}

// names compares the components of an SBOM with the modules, besides Go's own.
func names(t *testing.T, path string, modules []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &sbom); err != nil || sbom.BOMFormat != "CycloneDX" {
		t.Fatalf("%s is no SBOM: %v", path, err)
	}
	var named []string
	for _, c := range sbom.Components {
		if c.Name != "std" {
			named = append(named, c.Name+"@"+c.Version)
		}
	}
	slices.Sort(named)
	if !slices.Equal(named, modules) || len(named) == len(sbom.Components) {
		t.Errorf("%s names %q, and %q are linked in", path, named, modules)
	}
}

// licensed wants a text for each module.
func licensed(t *testing.T, dir string, modules []string) {
	t.Helper()
	for _, module := range modules {
		texts, err := filepath.Glob(filepath.Join(dir, module, "*"))
		if err != nil || !slices.ContainsFunc(texts, func(path string) bool {
			info, err := os.Stat(path)
			return err == nil && info.Mode().IsRegular() && info.Size() > 100
		}) {
			t.Errorf("%s has no license: %q, %v", module, texts, err)
		}
	}
}

// sumsHold checks the sum of each file that was built.
func sumsHold(t *testing.T, dist string) {
	t.Helper()
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	out, err := check.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dist, "dvagent*"))
	if sums := strings.Count(string(out), ": OK\n"); err != nil || sums != len(built) {
		t.Errorf("%d sums of %d files: %v", sums, len(built), err)
	}
}

func hostArch(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOHOSTARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// unpack puts a package's files into a directory of its own.
func unpack(t *testing.T, path, script string) string {
	t.Helper()
	program := strings.Fields(script)[0]
	if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
		t.Skipf("not root, or no %s, which .ci/run installs: the package was built and not unpacked", program)
	}
	unpacking := exec.Command("bash", "-euc", "umask 022; "+script, path)
	unpacking.Dir = t.TempDir()
	if err := os.Chmod(unpacking.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := unpacking.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return unpacking.Dir
}

func holds(t *testing.T, root string, want map[string]fs.FileMode) {
	t.Helper()
	for name, mode := range want {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %s, not %s", name, info.Mode(), mode)
		}
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		link := entry.Type()&fs.ModeSymlink != 0 // whose own mode says nothing
		if err == nil && !link && (info.Mode().Perm()&0o022 != 0 || entry.IsDir() && info.Mode().Perm()&0o700 != 0o700) {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	textA, errA := os.ReadFile(a)
	textB, errB := os.ReadFile(b)
	if errA != nil || errB != nil || !bytes.Equal(textA, textB) {
		t.Errorf("%s and %s differ: %v, %v", a, b, errA, errB)
	}
}

func isStatic(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if file.Machine != machine || file.Section(".interp") != nil {
		t.Errorf("%s is for %s, and its loader is %v", path, file.Machine, file.Section(".interp"))
	}
}
