package aliyun

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNewRefusesAnEndpointThatIsNotEncrypted(t *testing.T) { // fault 87
	for _, change := range []func(*Config){
		func(c *Config) { c.CASEndpoint = "http://cas.aliyuncs.com" },
		func(c *Config) { c.DNSEndpoint = "http://alidns.aliyuncs.com" },
		func(c *Config) { c.STSEndpoint = "http://sts.aliyuncs.com" },
	} {
		var config Config
		change(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}

func TestNewRefusesDebug(t *testing.T) { // fault 88
	for value, refused := range map[string]bool{"sdk": true, "a,sdk": true, "sdk2": false, "": false} {
		t.Setenv("DEBUG", value)
		if _, err := New(Config{}); (err != nil) != refused {
			t.Errorf("with DEBUG=%q New gives %v", value, err)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) { // fault 87
	elsewhere := newCloud(t, always(200, `{"OrderStatus":"issued"}`))
	for _, status := range []string{"301", "302", "307", "308"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.url)
			w.WriteHeader(map[string]int{"301": 301, "302": 302, "307": 307, "308": 308}[status])
		}))
		defer server.Close()
		_, err := newTestClient(t, server.URL).DescribeDVOrderResult(t.Context(), "cas-1")
		if e := asOurs(t, err); e.Kind != Malformed || e.Hint == "" {
			t.Errorf("%s: %v is %s with hint %q", status, e, e.Kind, e.Hint)
		}
		_, err = newTestClient(t, server.URL).CreateDVOrderAudit(t.Context(), Application{InstanceID: "cas-1", Domains: []string{"example.com"}, VerifyType: "DNS"})
		if e := asOurs(t, err); !e.MayHaveBeenApplied() {
			t.Errorf("%s: a write that was redirected is %s", status, e.Kind)
		}
	}
	if len(elsewhere.seen()) != 0 {
		t.Error("the redirect was followed")
	}
}

func TestLongAnswerIsCut(t *testing.T) { // fault 6
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for block := make([]byte, 1<<16); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client := newTestClient(t, endless.URL)
	_, err := client.DescribeDVOrderResult(t.Context(), "cas-1")
	if e := asOurs(t, err); e.Kind != Malformed || !strings.Contains(e.Error(), "8 MiB") {
		t.Errorf("a read of an endless answer: %v (%s)", e, e.Kind)
	}
	_, err = client.CreateDVOrderAudit(t.Context(), Application{})
	if e := asOurs(t, err); e.Kind != Unanswered {
		t.Errorf("a write with an endless answer: %v (%s)", e, e.Kind)
	}
}

func TestCancellationIsPrompt(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"while the server is silent", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}},
		{"while the body trickles", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				test.handler(w, r)
			}))
			defer server.Close()
			client := newTestClient(t, server.URL)
			for _, operation := range []string{"CreateDVOrderAudit", "DescribeDVOrderResult"} {
				ctx, cancel := context.WithCancel(t.Context())
				result := make(chan error, 1)
				go func() { result <- operations[operation](ctx, client) }()
				<-arrived
				start := time.Now()
				cancel()
				e := asOurs(t, <-result)
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("%s returned %s after the cancellation", operation, took)
				}
				if e.Kind != Unanswered || !errors.Is(e, context.Canceled) {
					t.Errorf("%s: %v is %s", operation, e, e.Kind)
				}
			}
		})
	}
}

func TestCancelledBeforeSendingIsLocal(t *testing.T) {
	cloud := newCloud(t, always(200, `{}`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range operations {
		e := asOurs(t, call(ctx, newTestClient(t, cloud.url)))
		if e.Kind != Local || e.MayHaveBeenApplied() || e.Transient() || !errors.Is(e, context.Canceled) {
			t.Errorf("%s: %v is %s", name, e, e.Kind)
		}
	}
	if len(cloud.seen()) != 0 {
		t.Error("a request was sent")
	}
}

func TestTLS(t *testing.T) { // fault 87
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`{"OrderStatus":"issued"}`)) })
	start := func(version uint16) *httptest.Server {
		server := httptest.NewUnstartedServer(answer)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	good, old := start(tls.VersionTLS13), start(tls.VersionTLS11)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	trust := func(c *Config) { c.CAFile = ca }

	if _, err := newTestClient(t, good.URL, trust).DescribeDVOrderResult(t.Context(), "cas-1"); err != nil {
		t.Errorf("a server that ca_file vouches for: %v", err)
	}
	_, err := newTestClient(t, good.URL).DescribeDVOrderResult(t.Context(), "cas-1")
	if e := asOurs(t, err); e.Kind != Unreachable || !strings.Contains(e.Hint, "ca_file") {
		t.Errorf("an unknown server: %v is %s with hint %q", e, e.Kind, e.Hint)
	}
	_, err = newTestClient(t, old.URL, trust).DescribeDVOrderResult(t.Context(), "cas-1")
	if e := asOurs(t, err); e.Kind != Unreachable || !strings.Contains(e.Hint, "short hello") { // fault 156
		t.Errorf("TLS 1.1: %v is %s with hint %q", e, e.Kind, e.Hint)
	}
}

func TestCAFileIsReadBeforeAnythingIsSent(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(junk, []byte("junk"), 0o600)
	for _, file := range []string{junk, junk + ".missing"} {
		if _, err := New(Config{CAFile: file}); err == nil {
			t.Errorf("New accepts %s", filepath.Base(file))
		}
	}
}

func TestNoConnection(t *testing.T) { // fault 1
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for name, call := range operations {
		e := asOurs(t, call(t.Context(), newTestClient(t, "http://"+address)))
		if e.Kind != Unreachable || e.MayHaveBeenApplied() || !e.Transient() {
			t.Errorf("%s: %v is %s", name, e, e.Kind)
		}
	}
}

func TestProxyOfTheEnvironmentIsNotUsedForLoopback(t *testing.T) { // fault 88
	cloud := newCloud(t, always(200, `{"OrderStatus":"checking"}`))
	if _, err := newTestClient(t, cloud.url).DescribeDVOrderResult(t.Context(), "cas-1"); err != nil {
		t.Fatal(err)
	}
	if len(proxy.seen()) != 0 || len(cloud.seen()) != 1 {
		t.Error("the request went to the proxy")
	}
}
