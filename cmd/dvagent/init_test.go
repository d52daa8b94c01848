package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dvagent/internal/sandbox"
)

// A person at a terminal is asked for each thing that is not known, does not see
// the secret that is typed, and is shown what will be written before it is.
func TestInitAsksAPersonForWhatItDoesNotKnow(t *testing.T) {
	api := startSandbox(t, sandbox.Options{CASAPI: sandbox.API2020, AccessKeyID: "LTAIperson", AccessKeySecret: canary, Zones: []string{"example.com"}})
	for _, tt := range []struct {
		name, last string
		written    bool
	}{
		{"who says yes", "y", true},
		{"who says nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			config := filepath.Join(dir, "agent.toml")
			at := api.Ready()
			s := atTerminal(t, 100, nil, "--config", config, "init", "--state-dir", filepath.Join(dir, "state"),
				"--cas-endpoint", at.API, "--dns-endpoint", at.API, "--resolver", at.DNS[0], "--nameserver", at.DNS[0], "--enable", "no")
			for _, step := range [][2]string{
				{"AccessKey ID: ", "LTAIperson"}, {"AccessKey Secret: ", canary}, {"Domains of the certificate.*: ", "example.com, www.example.com"},
				{`ContactId of the person whom the CA may call \[\d+\]: `, ""}, {"Server to install for.*: ", "none"}, {`Write this\? \[y/N\] `, tt.last},
			} {
				s.await(step[0])
				if step[1] == canary && !eventually(func() bool { return s.mode().Lflag&unix.ECHO == 0 }) {
					t.Fatal("what is typed would be shown")
				}
				if _, err := s.person.WriteString(step[1] + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			code, shown := s.exit()
			if strings.Contains(shown, canary) {
				t.Error("the secret was shown")
			}
			text, err := os.ReadFile(config)
			if written := err == nil; written != tt.written || written != (code == exitOK) {
				t.Fatalf("exit code %d, %v; it showed %s", code, err, shown)
			}
			if tt.written && !strings.Contains(string(text), `domains = ["example.com", "www.example.com"]`) {
				t.Errorf("it wrote %s", text)
			}
			if !tt.written && !empty(t, dir) {
				t.Error("something was written all the same")
			}
		})
	}
}

func empty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) == 0
}

// The service's user is given no directory in which something else lies.
func TestOnlyADirectoryOfASitesOwnIsGivenAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives directories away")
	}
	site := func(dir string, names ...string) []string {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return []string{filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")}
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		site []string
		want bool
	}{
		{"the site's files alone", site(t.TempDir(), "site.pem", "site.key"), true},
		{"another key beside them", site(t.TempDir(), "site.pem", "site.key", "other.key"), false},
		{"a directory where others write", site(open, "site.pem", "site.key"), false},
		{"no directory", []string{"/nowhere/a", "/nowhere/b"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := alone(tt.site); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// Whose zone is elsewhere is offered what needs none.
func TestInitOffersAFileWhereADomainHasNoZone(t *testing.T) {
	api := startSandbox(t, sandbox.Options{CASAPI: sandbox.API2020, AccessKeyID: "LTAIperson", AccessKeySecret: canary, Zones: []string{"example.com"}})
	dir := t.TempDir()
	config, key, webroot := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "secret"), filepath.Join(dir, "html")
	if err := os.WriteFile(key, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(webroot, 0o755); err != nil {
		t.Fatal(err)
	}
	at := api.Ready()
	s := atTerminal(t, 100, nil, "--config", config, "init", "--state-dir", filepath.Join(dir, "state"), "--access-key-id", "LTAIperson",
		"--access-key-secret-file", key, "--cas-endpoint", at.API, "--dns-endpoint", at.API, "--resolver", at.DNS[0], "--nameserver", at.DNS[0],
		"--domain", "shop.example.net", "--deploy", "none", "--enable", "no")
	for _, step := range [][2]string{
		{`file that a web server shows at port 80\? \[y/N\] `, "y"}, {`Directory that the web server shows \[/var/www/html\]: `, webroot},
		{`ContactId of the person whom the CA may call \[\d+\]: `, ""}, {`Write this\? \[y/N\] `, "y"},
	} {
		s.await(step[0])
		if _, err := s.person.WriteString(step[1] + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	_, shown := s.exit() // the check that follows finds no web server
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatalf("%v; it showed %s", err, shown)
	}
	for _, line := range []string{`validation = "file"`, `webroot = "` + webroot + `"`} {
		if !strings.Contains(string(text), line) {
			t.Errorf("it did not write %s:\n%s", line, text)
		}
	}
}
