package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

func TestAnOrderBecomesACertificate(t *testing.T) {
	s := start(t, quick)
	c := newClient(t, s)
	instance := s.Instances()[0].InstanceID

	c.submit(instance, "example.com,*.example.com")
	pending := c.result(instance)
	if pending.text("CheckType") != "DNS" || pending.text("CheckName") != "_dnsauth.example.com" || pending.text("CheckValue") == "" {
		t.Fatalf("the challenge: %s", pending.body)
	}
	c.publish(pending)
	done := c.until(instance, hasStatus("issued"))

	pair, err := tls.X509KeyPair([]byte(done.text("Certificate")), []byte(done.text("PrivateKey")))
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 {
		t.Fatalf("the chain has %d certificates, want leaf and intermediate", len(pair.Certificate))
	}
	verify(t, s, pair, "example.com", "www.example.com")
	if got := s.Instances()[0]; got.Status != "Issued" || got.Submissions != 1 {
		t.Errorf("the instance after issuance: %+v", got)
	}
}

// verify checks a pair against the root that the sandbox wrote.
func verify(t *testing.T, s *Sandbox, pair tls.Certificate, names ...string) {
	t.Helper()
	root, err := os.ReadFile(s.Ready().CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots, issuers := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	intermediate, err := x509.ParseCertificate(pair.Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	issuers.AddCert(intermediate)
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: issuers}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
