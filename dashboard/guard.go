package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"dvagent/agent/config"
	"dvagent/internal/secret"
)

// guarded answers only those who may ask, and tells a browser to trust nothing
// but the page itself.
func guarded(settings config.Service, log *slog.Logger, next http.Handler) http.Handler {
	if !settings.Token.IsZero() {
		next = requireToken(settings.Token, log, next)
	}
	if settings.OnLoopback() {
		next = requireOwnName(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src " + styleSource() + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"Cache-Control":           "no-store",
			"Referrer-Policy":         "no-referrer",
			"X-Content-Type-Options":  "nosniff",
		} {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// requireOwnName refuses a name that a stranger's zone may have led here: a page
// from there would read what is served on loopback.
func requireOwnName(next http.Handler) http.Handler {
	own, _ := os.Hostname() // without one, addresses and localhost are enough
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		_, notAddress := netip.ParseAddr(strings.Trim(host, "[]"))
		if notAddress != nil && !strings.EqualFold(host, "localhost") && (own == "" || !strings.EqualFold(host, own)) {
			refuse(w, "this is not the name of this host: use its address", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requireToken wants the token as a bearer's or, from a browser, as a password
// to any name. It is read anew for each request, so that a rotated one counts.
func requireToken(token secret.Secret, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := token.Resolve()
		if err != nil {
			log.Error("nobody can ask for the status: the token cannot be read", "error", err)
			refuse(w, "the token cannot be read: see the log", http.StatusServiceUnavailable)
			return
		}
		if !sameToken(given(r), want) {
			w.Header().Set("WWW-Authenticate", `Basic realm="dvagent", charset="UTF-8"`)
			refuse(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse ends the connection too: a stranger shall not hold the few there are.
func refuse(w http.ResponseWriter, why string, code int) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, code)
}

func given(r *http.Request) string {
	if scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	_, password, _ := r.BasicAuth()
	return password
}

// sameToken takes the same time whatever differs.
func sameToken(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
