package examples_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/page"
)

// shown calls do with each block of that language in the docs.
func shown(t *testing.T, language string, do func(t *testing.T, text string)) {
	t.Helper()
	pages, err := page.Documentation("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range pages {
		for _, b := range p.Blocks {
			if b.Language == language {
				seen++
				t.Run(fmt.Sprintf("%s:%d", p.Path, b.Number), func(t *testing.T) { do(t, b.Text) })
			}
		}
	}
	if seen == 0 {
		t.Errorf("the docs have no block of %s", language)
	}
}

func TestNginxTakesWhatTheDocsShow(t *testing.T) {
	need(t, "nginx")
	shown(t, "nginx", func(t *testing.T, text string) {
		s := newSite(t)
		b := bundletest.NewCA(t, "Docs").Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)})
		key, err := x509.MarshalPKCS8PrivateKey(b.Key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s.path("docs.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Leaf.Raw})))
		write(t, s.path("docs.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
		for directive, file := range map[string]string{"ssl_certificate": "docs.pem", "ssl_certificate_key": "docs.key"} {
			text = regexp.MustCompile(`(?m)^( *`+directive+`) .*;$`).ReplaceAllString(text, "$1 "+s.path(file)+";")
		}
		text = strings.ReplaceAll(text, "listen 443", "listen "+s.address)
		write(t, s.path("nginx.conf"), fmt.Sprintf("pid %s;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s}\n", s.path("pid"), text))
		if out, err := exec.Command("nginx", "-t", "-q", "-p", s.dir, "-c", s.path("nginx.conf")).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// A unit stands alone; what starts nothing is a drop-in of the service.
func TestSystemdTakesWhatTheDocsShow(t *testing.T) {
	need(t, "systemd-analyze")
	shown(t, "ini", func(t *testing.T, text string) {
		service := filepath.Join(t.TempDir(), "dvagent.service")
		if !strings.Contains(text, "ExecStart=") {
			text = adapted(t, "systemd/dvagent.service") + text
		}
		write(t, service, strings.ReplaceAll(text, installed, dvagent))
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", service).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
	})
}
