package demo

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Server is a web server inside this process that serves the certificate and
// key of two PEM files. Like nginx it reads them when it starts and when it is
// told to reload, and keeps the old pair when the new one cannot be read.
type Server struct {
	fullchain, key string
	mark           string
	listener       net.Listener
	http           *http.Server

	mu   sync.Mutex
	pair *tls.Certificate
}

// Serve starts a server on a free port of 127.0.0.1. Mark is the path of a file
// that does not exist yet; its appearance tells the server to reload.
func Serve(fullchain, key, mark string) (*Server, error) {
	s := &Server{fullchain: fullchain, key: key, mark: mark}
	if err := s.load(); err != nil {
		return nil, err
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(hello),
		TLSConfig:         &tls.Config{GetCertificate: s.certificate},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // of clients that only shake hands
	}
	go s.http.ServeTLS(s.listener, "", "") // ends with Close
	return s, nil
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }

// Address is the host:port that the server listens on.
func (s *Server) Address() string { return s.listener.Addr().String() }

// ReloadCommand makes the server read its files again before the next handshake.
func (s *Server) ReloadCommand() []string { return []string{"touch", s.mark} }

// Close ends the server and its connections.
func (s *Server) Close() { s.http.Close() }

func (s *Server) load() error {
	pair, err := tls.LoadX509KeyPair(s.fullchain, s.key)
	if err == nil {
		s.pair = &pair
	}
	return err
}

// certificate takes the mark away before it loads, so that a reload that is
// asked for meanwhile is not lost. A pair that cannot be loaded shows in what is
// served, which the agent probes.
func (s *Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if os.Remove(s.mark) == nil {
		_ = s.load()
	}
	return s.pair, nil
}
