package dashboard

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkTenThousandCertificates shows what it costs to look, once everything
// was looked at.
func BenchmarkTenThousandCertificates(b *testing.B) {
	all := make([]past, 10_000)
	for i := range all {
		all[i] = past{name: fmt.Sprintf("host%d", i), bare: true}
	}
	all[0] = past{name: "host0", domains: "*.example.com", age: day, left: 199 * day, bare: true}
	h := newHost(b, all...)
	first := filepath.Join(h.state(), "certificates", "host0")
	current, err := os.Readlink(filepath.Join(first, "current"))
	h.must(err)
	for _, p := range all[1:] { // of the same leaf
		dir := filepath.Join(h.state(), "certificates", p.name)
		h.must(os.Symlink(filepath.Join(first, "versions"), filepath.Join(dir, "versions")), os.Symlink(current, filepath.Join(dir, "current")))
	}
	handler := h.board.handler(b.Context(), h.service)
	for _, path := range []string{"/metrics", "/", "/healthz"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
				if answer.Code != 200 {
					b.Fatal(answer.Code, answer.Body)
				}
				size = answer.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
