package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
	"dvagent/internal/nginx"
)

// vhostCheck manages www.pem and shop.pem in a directory, where link.pem leads
// to www.pem.
func vhostCheck(t *testing.T) (*Check, string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"www.pem", "shop.pem", "other.pem"} {
		writePEM(t, filepath.Join(dir, name), time.Now().AddDate(0, 0, -1), time.Now().AddDate(1, 0, 0))
	}
	if err := os.Symlink("www.pem", filepath.Join(dir, "link.pem")); err != nil {
		t.Fatal(err)
	}
	target := func(name string) []deploy.Target { return []deploy.Target{{Fullchain: filepath.Join(dir, name)}} }
	return New(state.NewHost(&config.Config{StateDir: "/state", Certificates: []config.Certificate{
		{Name: "www", Domains: []string{"example.com", "*.example.com"}, Deploy: target("www.pem")},
		{Name: "shop", Domains: []string{"shop.example.net"}, Deploy: target("shop.pem")},
	}}, nil, nil), nil), dir
}

func writePEM(t *testing.T, path string, notBefore, notAfter time.Time) {
	t.Helper()
	b := bundletest.NewCA(t, "CA").Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: notBefore, NotAfter: notAfter})
	if err := os.WriteFile(path, append(b.KeyPEM(), b.FullchainPEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAServerIsComparedWithTheCertificates(t *testing.T) {
	c, dir := vhostCheck(t)
	v := c.vhosts(time.Now())
	for _, tt := range []struct{ name, names, files, want string }{
		{"a managed file", "example.com *.example.com", "www.pem", "ok certificate www"},
		{"a link to one", "www.example.com", "link.pem", "ok certificate www"},
		{"a path with detours", "example.com", "x/../www.pem", "ok certificate www"},
		{"the current version", "example.com", "/state/certificates/www/current/fullchain.pem", "ok certificate www"},
		{"two certificates", "example.com shop.example.net", "www.pem shop.pem",
			"warn certificate www does not cover shop.example.net (certificate shop covers shop.example.net); " +
				"warn certificate shop does not cover example.com (certificate www covers example.com)"},
		{"two files of one", "example.com", "www.pem link.pem", "ok certificate www"},
		{"a version, which stays", "example.com", "/state/certificates/www/versions/20260101-ab/fullchain.pem",
			"warn /state/certificates/www/versions/20260101-ab/fullchain.pem stays at one version (name the file in /state/certificates/www/current instead)"},
		{"a file of someone else", "example.org", "other.pem", "warn DIR/other.pem is not managed by dvagent"},
		{"a file of someone else, for names of ours", "WWW.example.com .example.com", "other.pem",
			"warn DIR/other.pem is not managed by dvagent (certificate www covers WWW.example.com .example.com)"},
		{"a name that is one label too deep", "a.b.example.com", "www.pem", "warn certificate www does not cover a.b.example.com"},
		{"a name of which half is covered", ".shop.example.net", "shop.pem", "warn certificate shop does not cover .shop.example.net"},
		{"names that no certificate can have", `~^.+\.example\.org$ www.example.* _ localhost $hostname.lan`, "www.pem", "ok certificate www"},
		{"no file", "example.com", "", "warn it has no certificate of its own; nginx serves that of the default server"},
		{"no name", "", "www.pem", "ok certificate www"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := nginx.Server{Place: "n:1", Listen: []string{"443"}, Names: strings.Fields(tt.names)}
			for _, file := range strings.Fields(tt.files) {
				if !filepath.IsAbs(file) {
					file = dir + "/" + file
				}
				server.Certificates = append(server.Certificates, file)
			}
			prefix := tt.names + " (n:1): "
			if tt.names == "" {
				prefix = "any name at 443 (n:1): "
			}
			if got := spoken(v.check(server), prefix, dir); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// spoken is what a person reads of the findings, without what is the same in
// each.
func spoken(findings []Finding, prefix, dir string) string {
	var all []string
	for _, f := range findings {
		text := "ok " + f.OK
		if f.Err != nil {
			text = "warn " + f.Err.Error()
			if advice := hint.Of(f.Err); advice != "" {
				text += " (" + advice + ")"
			}
		}
		all = append(all, strings.Replace(strings.ReplaceAll(text, dir, "DIR"), prefix, "", 1))
	}
	return strings.Join(all, "; ")
}

func TestAFileThatNoOneManagesIsWarnedOfBeforeItEnds(t *testing.T) {
	c, dir := vhostCheck(t)
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name      string
		file      string
		lifetime  int // days
		remaining int
		warned    bool
	}{
		{"a year, and 31 days are left", "a.pem", 365, 31, false},
		{"a year, and 29 days are left", "a.pem", 365, 29, true},
		{"a year that is over", "a.pem", 365, -1, true},
		{"nine days, and four are left", "a.pem", 9, 4, false},
		{"nine days, and two are left", "a.pem", 9, 2, true},
		{"a managed file", "www.pem", 9, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, end := filepath.Join(dir, tt.file), issued.AddDate(0, 0, tt.lifetime)
			writePEM(t, path, issued, end)
			server := nginx.Server{Certificates: []string{path}}
			got := spoken(c.vhosts(end.AddDate(0, 0, -tt.remaining)).checkEnds([]nginx.Server{server, server}), "", dir)
			want := ""
			if tt.warned {
				want = "warn DIR/a.pem, which is not managed by dvagent, is valid until " + end.Format(time.DateOnly)
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestNginxIsAskedAsTheDeploymentsAskIt(t *testing.T) {
	target := func(argv ...string) deploy.Target { return deploy.Target{Check: argv} }
	c := New(state.NewHost(&config.Config{Certificates: []config.Certificate{
		{Deploy: []deploy.Target{target("/opt/bin/nginx", "-c", "/a", "-t"), target("haproxy", "-c")}},
		{Deploy: []deploy.Target{target("/opt/bin/nginx", "-c", "/a", "-tq"), target("nginx", "-t", "-q")}},
	}}, nil, nil), nil)
	var got []string
	for _, argv := range c.nginxCommands() {
		got = append(got, strings.Join(argv, " "))
	}
	if strings.Join(got, "; ") != "/opt/bin/nginx -c /a; nginx" {
		t.Errorf("got %q", got)
	}
}

// fault 155
func TestANameOfNginxIsReadAsADomainIs(t *testing.T) {
	for name, want := range map[string]bool{"例子.中国": true, "WWW.例子.中国": true, ".例子.中国": true, "xn--fsqu00a.xn--fiqs8s": true, "例.中国": false} {
		if got := covers([]string{"xn--fsqu00a.xn--fiqs8s", "*.xn--fsqu00a.xn--fiqs8s"}, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
