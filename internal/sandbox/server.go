package sandbox

import (
	"io"
	"log"
	"net/http"
	"sync"
	"time"
)

// writeTimeout bounds an answer, those that a fault makes endless too.
const writeTimeout = 2 * time.Minute

// server is an HTTP server whose port can be closed and opened again.
type server struct {
	network Network
	address string
	handler http.Handler

	mu      sync.Mutex
	http    *http.Server // nil while the port is closed
	serving sync.WaitGroup
}

// listen opens the port; address may leave it to the system, which then keeps its choice.
func listen(on Network, address string, handler http.Handler) (*server, error) {
	s := &server{network: on, address: address, handler: handler}
	return s, s.setOpen(true)
}

func (s *server) url() string { return "http://" + s.address }

func (s *server) setOpen(open bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open == (s.http != nil) {
		return nil
	}
	if !open {
		return s.shut()
	}
	l, err := s.network.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	h := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	s.http = h
	s.serving.Go(func() { _ = h.Serve(l) })
	return nil
}

// shut closes the port and every connection, kept-alive ones included.
func (s *server) shut() error {
	err := s.http.Close()
	s.serving.Wait()
	s.http = nil
	return err
}

func (s *server) close() error { return s.setOpen(false) }
