package dashboard

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"dvagent/agent/config"
	"dvagent/agent/view"
	"dvagent/internal/line"
)

const (
	mostConnections = 128
	farewell        = 3 * time.Second // for requests that are being answered at the end
)

// Serve answers at settings.Listen about the service until ctx is done.
func (d *Dashboard) Serve(ctx context.Context, service Service, settings config.Service, log *slog.Logger) error {
	listener, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return fmt.Errorf("service.listen: %w", err)
	}
	log.Info("shows its status", "at", listener.Addr().String(), "tls", settings.TLSCert != "")
	return d.serve(ctx, netutil.LimitListener(listener, mostConnections), service, settings, log)
}

func (d *Dashboard) serve(ctx context.Context, listener net.Listener, service Service, settings config.Service, log *slog.Logger) error {
	server := &http.Server{
		Handler:           guarded(settings, log, d.handler(ctx, service)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // status shakes hands with every probe
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(ended)
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		if server.Shutdown(late) != nil {
			server.Close()
		}
	})()
	var err error
	if settings.TLSCert == "" {
		err = server.Serve(listener)
	} else {
		pair := &pair{cert: settings.TLSCert, key: settings.TLSKey, log: log}
		server.TLSConfig = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}
		err = server.ServeTLS(listener, "", "")
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("service.listen: %w", err)
	}
	<-ended
	return nil
}

// handler answers without a look at who asks. Work that is shared between
// those who ask goes on until ctx is done.
func (d *Dashboard) handler(ctx context.Context, service Service) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(seen{service, d})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{d.registry, registry},
		promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4}))
	mux.Handle("GET /status", &lastStatus{look: func() (view.Status, error) { return service.Status(ctx) }})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := healthy(service); err != nil {
			http.Error(w, line.Of(err.Error()), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /certificate", func(w http.ResponseWriter, r *http.Request) { d.serveCertificate(w, r, service) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { d.servePage(w, r, service) })
	return mux
}

// healthy says what a glance finds wrong, in one line, or nil.
func healthy(service Service) error {
	return service.Glance().Healthy(time.Now())
}

// statusLives is how long one look at every probe is good for everyone.
const statusLives = 5 * time.Second

// lastStatus is the text of the last look at every probe, while it is good.
type lastStatus struct {
	look func() (view.Status, error)

	mu   sync.Mutex
	text []byte
	at   time.Time
}

// ServeHTTP answers as `status --json` does. All who ask at about the same time
// share one look.
func (s *lastStatus) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	text, err := s.get()
	if err != nil {
		http.Error(w, clean(err.Error()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

func (s *lastStatus) get() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text != nil && time.Since(s.at) < statusLives {
		return s.text, nil
	}
	status, err := s.look()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		return nil, err
	}
	s.text, s.at = append(text, '\n'), time.Now()
	time.AfterFunc(statusLives, s.forget)
	return s.text, nil
}

func (s *lastStatus) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = nil
}
