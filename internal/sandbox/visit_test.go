package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// site is a web server on loopback for the CA to visit.
type site struct {
	port    int
	content atomic.Pointer[string] // of the file
	hosts   chan string            // that were asked for
}

func newSite(t *testing.T, answer func(s *site, w http.ResponseWriter, r *http.Request)) *site {
	s := &site{hosts: make(chan string, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.hosts <- r.Host:
		default:
		}
		answer(s, w, r)
	}))
	t.Cleanup(server.Close)
	s.port = server.Listener.Addr().(*net.TCPAddr).Port
	return s
}

func (s *site) show(text string) { s.content.Store(&text) }

// file answers with what is shown at the usual path.
func (s *site) file(w http.ResponseWriter, r *http.Request) {
	text := s.content.Load()
	if text == nil || r.URL.Path != "/.well-known/pki-validation/fileauth.txt" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintln(w, *text)
}

func (c *client) submitFile(instance, domains string) answer {
	c.t.Helper()
	pairs := append([]string{"InstanceId", instance, "Domain", domains}, contact...)
	c.cas("CreateDVOrderAudit", append(pairs, "DomainVerifyType", "FILE")...)
	return c.result(instance)
}

func TestAFileIsVisitedAtEachNameBeforeTheCertificateIsIssued(t *testing.T) {
	web := newSite(t, (*site).file)
	o := quick
	o.HTTPPort, o.Zones = web.port, []string{"elsewhere.test"} // the names' zone is not the account's
	o.Packages = []Package{{ProductCode: freeProduct, Total: 5}}
	s := start(t, o)
	c := newClient(t, s)
	names := []string{"example.com", "www.example.com"}

	instance := s.Instances()[0].InstanceID
	web.show(c.submitFile(instance, strings.Join(names, ",")).text("CheckValue"))
	c.until(instance, hasStatus("issued"))
	hosts := map[string]bool{}
	for len(web.hosts) > 0 {
		hosts[<-web.hosts] = true
	}
	for _, name := range names {
		if !hosts[name] {
			t.Errorf("%s was not visited: %v", name, hosts)
		}
	}

	id := s.AddSubscription(Subscription{FullDomainCount: 2})
	c.prepare(s, id, names...)
	c.accepted("UpdateInstance", "InstanceId", id, "ValidationMethod", "HTTP")
	c.accepted("ApplyCertificate", "InstanceId", id)
	rows := c.detailUntil(id, hasProofs).rows("DomainValidationList")
	if len(rows) != 2 || rows[0]["ValidationValue"] != rows[1]["ValidationValue"] {
		t.Fatalf("not one file for both: %v", rows)
	}
	web.show(rows[0]["ValidationValue"].(string))
	c.detailUntil(id, func(a answer) bool { return a.text("Status") == "normal" })

	csr, _ := newCSR(t, "example.com")
	order := number(c.accepted("CreateCertificateForPackageRequest", "Csr", csr, "ValidateType", "FILE").fields["OrderId"])
	web.show(c.stateUntil(order, "domain_verify").text("Content"))
	c.stateUntil(order, "certificate")
}

func TestAFileIsNotTakenFromElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(*site, http.ResponseWriter, *http.Request)
	}{
		{"another content", func(_ *site, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "something else") }},
		{"the content with another status", func(s *site, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, *s.content.Load())
		}},
		{"a redirect to another host", func(s *site, w http.ResponseWriter, r *http.Request) {
			if r.Host != "example.com" {
				s.file(w, r)
				return
			}
			http.Redirect(w, r, "http://other.example.com"+r.URL.Path, http.StatusFound)
		}},
		{"a redirect to another port", func(s *site, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("http://%s:%d%s", r.Host, s.port, r.URL.Path), http.StatusFound)
		}},
		{"a redirect that never ends", func(_ *site, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			web, good := newSite(t, tt.answer), newSite(t, (*site).file)
			o := quick
			o.HTTPPort = web.port
			s := start(t, o)
			c := newClient(t, s)
			instance := s.Instances()[0].InstanceID
			shown := c.submitFile(instance, "example.com").text("CheckValue")
			web.show(shown)
			good.show(shown)
			for range 3 { // it was looked at, and again
				<-web.hosts
			}
			if got := c.result(instance).text("OrderStatus"); got != "checking" {
				t.Errorf("the order is %s", got)
			}
		})
	}
}

func TestARedirectToTheSameHostIsFollowed(t *testing.T) {
	web := newSite(t, func(s *site, w http.ResponseWriter, r *http.Request) {
		if path, found := strings.CutPrefix(r.URL.Path, "/moved"); found {
			r.URL.Path = path
			s.file(w, r)
			return
		}
		http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusMovedPermanently)
	})
	o := quick
	o.HTTPPort = web.port
	s := start(t, o)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	web.show(c.submitFile(instance, "example.com").text("CheckValue"))
	c.until(instance, hasStatus("issued"))
}

// A renewal that comes late has nothing but an expired certificate to show.
func TestARedirectToHTTPSIsFollowedWhateverTheCertificate(t *testing.T) {
	secure := &site{hosts: make(chan string, 1000)}
	server := httptest.NewTLSServer(http.HandlerFunc(secure.file))
	t.Cleanup(server.Close)
	web := newSite(t, func(_ *site, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
	})
	o := quick
	o.HTTPPort, o.HTTPSPort = web.port, server.Listener.Addr().(*net.TCPAddr).Port
	s := start(t, o)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID
	secure.show(c.submitFile(instance, "example.com").text("CheckValue"))
	c.until(instance, hasStatus("issued"))
}

func TestNoFileProvesAWildcard(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	pairs := append([]string{"InstanceId", s.Instances()[0].InstanceID, "Domain", "example.com,*.example.com"}, contact...)
	if a := c.cas("CreateDVOrderAudit", append(pairs, "DomainVerifyType", "FILE")...); a.text("Code") != "InvalidParameter" {
		t.Errorf("%s", a.body)
	}
}

func TestFilesThatNobodyShouldWriteAreAskedFor(t *testing.T) {
	for kind, want := range map[string]string{
		"file-upward":    "example.com/.well-known/pki-validation/../../fileauth.txt",
		"file-outside":   "example.com/html/index.html",
		"file-elsewhere": "other.sandbox.test/.well-known/pki-validation/fileauth.txt",
		"file-markup":    "<script>",
	} {
		s, c := faulty(t, kind)
		a := c.submitFile(s.Instances()[0].InstanceID, "example.com")
		if !slices.Contains([]string{a.text("CheckName"), a.text("CheckValue")[:len("<script>")]}, want) {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
	for kind, want := range map[string]string{"file-url": "http://example.com/.well-known/pki-validation/fileauth.txt", "file-name": "fileauth.txt"} {
		s, c := faulty(t, kind)
		id := s.AddSubscription(Subscription{})
		c.prepare(s, id, "example.com")
		c.accepted("UpdateInstance", "InstanceId", id, "ValidationMethod", "HTTP")
		c.accepted("ApplyCertificate", "InstanceId", id)
		if rows := c.detailUntil(id, hasProofs).rows("DomainValidationList"); rows[0]["ValidationKey"] != want {
			t.Errorf("%s: %v", kind, rows)
		}
	}
}
