package agent

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"dvagent/internal/sandbox"
)

// The key leaves in one request for each version, and in none where nothing is
// to be uploaded.
func TestAKeyLeavesOnlyInTheUpload(t *testing.T) {
	for _, tt := range []struct{ name, api, extra, want string }{
		{"with the upload", sandbox.API2020, "upload = true\n", "UploadUserCertificate"},
		{"without it", sandbox.API2020, "", ""},
		{"with 2018-07-13", sandbox.API2018, "upload = true\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.api, w.extra = tt.api, tt.extra
			carried := w.overhear()
			w.renewed(Renewal{})
			w.renew(Renewal{})
			if got := strings.Join(carried(), " "); got != tt.want {
				t.Errorf("a key was sent with %q, want %q", got, tt.want)
			}
			if text := w.read(w.where().RolloutJournal("example.com")); strings.Contains(text, "PRIVATE KEY") {
				t.Error("the journal has a key")
			}
		})
	}
}

// overhear passes CAS's requests on, and tells the actions of those that carry a
// private key.
func (w *world) overhear() func() []string {
	target, err := url.Parse(w.sandbox.Ready().API)
	if err != nil {
		w.Fatal(err)
	}
	var mu sync.Mutex
	var carried []string
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		if strings.Contains(form.Encode(), "PRIVATE+KEY") || strings.Contains(r.URL.String(), "PRIVATE") {
			mu.Lock()
			carried = append(carried, form.Get("Action")+r.URL.Query().Get("Action"))
			mu.Unlock()
		}
		proxy.ServeHTTP(answer, r)
	}))
	w.Cleanup(server.Close)
	w.casEndpoint = server.URL
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return carried
	}
}
