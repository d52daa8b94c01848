package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// serveTLSCommand is the TLS server of the demo where there is no nginx. Like
// nginx it reads its pair when it starts and at each SIGHUP, and keeps the old
// one when the new one cannot be read.
func serveTLSCommand() *cobra.Command {
	var server tlsServer
	var reload bool
	cmd := &cobra.Command{
		Use:    "serve-tls",
		Short:  "A small TLS server for the demo",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reload {
				return signalServer(server.pidFile)
			}
			return server.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&server.address, "listen", "127.0.0.1:0", "`ADDRESS`")
	flags.StringVar(&server.certificate, "cert", "", "certificate and chain, PEM")
	flags.StringVar(&server.key, "key", "", "private key, PEM")
	flags.StringVar(&server.pidFile, "pid-file", "", "where the process id is written")
	flags.BoolVar(&reload, "reload", false, "tell the server of the pid file to read its pair again")
	return cmd
}

type tlsServer struct {
	address, certificate, key, pidFile string

	pair atomic.Pointer[tls.Certificate]
}

func (s *tlsServer) run(ctx context.Context) error {
	if err := s.load(); err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", s.address, &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.pair.Load(), nil },
	})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go s.reloadOn(ctx, hangup)
	if err := os.WriteFile(s.pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil // closed
		}
		go greet(conn)
	}
}

func greet(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "hello\n")
}

func (s *tlsServer) load() error {
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return err
	}
	s.pair.Store(&pair)
	return nil
}

func (s *tlsServer) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := s.load(); err != nil {
				fmt.Fprintln(os.Stderr, "serve-tls: keeping the old pair:", err)
			}
		}
	}
}

func signalServer(pidFile string) error {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return fmt.Errorf("%s holds no process id", pidFile)
	}
	return syscall.Kill(pid, syscall.SIGHUP)
}
