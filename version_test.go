package dvagent_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a git repository that holds packaging/version.
type repository struct {
	*testing.T
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t, t.TempDir()}
	script(t, filepath.Join(r.dir, "packaging", "version"), string(must(t, "packaging/version")))
	r.git("init", "-q")
	r.git("add", ".")
	return r
}

func (r repository) git(args ...string) {
	r.Helper()
	r.at("", args...)
}

// at runs git at a time, if one is given.
func (r repository) at(time string, args ...string) {
	r.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE="+time, "GIT_AUTHOR_DATE=2001-01-01T00:00:00Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("git %q: %v: %s", args, err, out)
	}
}

func (r repository) commit(time string) {
	r.Helper()
	r.at(time, "commit", "-q", "--allow-empty", "-m", time)
}

func (r repository) version() string {
	r.Helper()
	cmd := exec.Command("packaging/version")
	cmd.Dir = r.dir
	out, err := cmd.Output()
	if err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestVersionsOfPackagesSortInTheOrderOfTheirCommits(t *testing.T) {
	r := newRepository(t)
	var versions []string
	next := func(prefix string) {
		t.Helper()
		v := r.version()
		if !strings.HasPrefix(v, prefix) {
			t.Errorf("version %s, which does not begin with %s", v, prefix)
		}
		versions = append(versions, v)
	}
	r.commit("2026-11-27T03:45:22+02:00")
	next("0.0.0~git20261127014522.")
	r.commit("2026-11-27T03:45:23+02:00")
	next("0.0.0~git20261127014523.")
	r.git("tag", "v1.2.3-rc.1")
	next("1.2.3~rc.1")
	r.commit("2026-11-28T00:00:00Z")
	next("1.2.3~rc.1+git20261128000000.")
	r.git("tag", "v1.2.3")
	next("1.2.3")
	r.commit("2026-11-29T00:00:00Z")
	next("1.2.3+git20261129000000.")
	r.git("tag", "v1.2.4")
	next("1.2.4")

	// A clone without its history has no tag to count from.
	shallow := repository{t, filepath.Join(t.TempDir(), "clone")}
	r.commit("2026-11-30T00:00:00Z")
	if out, err := exec.Command("git", "clone", "-q", "--depth=1", "--no-tags", "file://"+r.dir, shallow.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if v := shallow.version(); !strings.HasPrefix(v, "0.0.0~git20261130000000.") {
		t.Errorf("the shallow clone's version is %s", v)
	}
	sorted(t, versions)
	script(t, filepath.Join(r.dir, "packaging", "version"), string(must(t, "packaging/version"))+"\n")
	if v := r.version(); !strings.HasSuffix(v, "+dirty") {
		t.Errorf("the version of a changed tree is %s", v)
	}
}

func must(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sorted(t *testing.T, versions []string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("no dpkg: the versions were not compared")
	}
	for i := range versions[1:] {
		if out, err := exec.Command("dpkg", "--compare-versions", versions[i], "lt", versions[i+1]).CombinedOutput(); err != nil {
			t.Errorf("dpkg does not sort %s before %s: %v: %s", versions[i], versions[i+1], err, out)
		}
	}
}
