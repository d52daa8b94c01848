package examples_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// validating are the web servers that show what proves a domain. Each one writes its
// configuration, and returns the command that runs it in the foreground.
var validating = []struct {
	name string
	set  func(t *testing.T, s site) []string
}{
	{"nginx", func(t *testing.T, s site) []string {
		write(t, s.path("validation.conf"), adapted(t, "nginx/validation.conf", "/var/www/validation", s.path("html"), "listen 80", "listen "+s.address))
		write(t, s.path("nginx.conf"), fmt.Sprintf(nginxConfig, s.dir, s.path("validation.conf")))
		return []string{"nginx", "-p", s.dir, "-e", s.path("error.log"), "-c", s.path("nginx.conf")}
	}},
	{"apache2", func(t *testing.T, s site) []string {
		write(t, s.path("www.conf"), adapted(t, "apache2/validation.conf", "/var/www/validation", s.path("html"), "*:80", s.address))
		modules := "LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\nLoadModule mime_module /usr/lib/apache2/modules/mod_mime.so\nTypesConfig /dev/null\n"
		write(t, s.path("apache2.conf"), fmt.Sprintf(strings.Replace(apacheConfig, "ServerName", modules+"ServerName", 1), s.dir, s.address))
		return []string{"apache2", "-f", s.path("apache2.conf"), "-DFOREGROUND"}
	}},
}

// fault 117
func TestTheServerOfARecipeShowsTheFileThatProvesADomain(t *testing.T) {
	for _, r := range validating {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			need(t, r.name)
			s := newSite(t)
			if err := os.Mkdir(s.path("html"), 0o755); err != nil {
				t.Fatal(err)
			}
			s.start(t, r.set(t, s))
			h := newHostByFile(t, s)
			h.renew(t)
			if left, err := os.ReadDir(s.path("html")); err != nil || len(left) > 0 {
				t.Errorf("left in the webroot: %v, %v", left, err)
			}
			for path, want := range map[string]string{
				"/shop?a=b": "301 https://example.com/shop?a=b", "/.well-known/other": "301 https://example.com/.well-known/other",
				"/.well-known/pki-validation/none.txt": "404 ", "/.well-known/pki-validation/../../../../agent.toml": "400 ",
			} {
				if got := s.get(t, path); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			}
		})
	}
}

// newHostByFile orders a certificate for names whose zone is not the account's.
func newHostByFile(t *testing.T, s site) host {
	t.Helper()
	port, err := strconv.Atoi(s.port())
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := sandbox.Start(sandbox.Options{CASAPI: sandbox.API2020, Zones: []string{"elsewhere.test"}, HTTPPort: port, IssueAfter: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	dir := t.TempDir()
	h := host{cloud, dir + "/agent.toml", dir + "/state"}
	text := strings.NewReplacer(`"elsewhere.test", "*.elsewhere.test"`, `"example.com", "www.example.com"`).Replace(cloud.AgentConfig(h.state))
	write(t, h.config, text+fmt.Sprintf("validation = \"file\"\nwebroot = %q\n", s.path("html")))
	return h
}

// get is the status of an answer, and where it leads.
func (s site) get(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+s.address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.URL.Opaque = "example.com", path
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return fmt.Sprintf("%d %s", answer.StatusCode, answer.Header.Get("Location"))
}
