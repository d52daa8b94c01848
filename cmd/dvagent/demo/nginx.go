package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// findNginx is the path of the nginx that is installed, "" when there is none.
func findNginx() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// nginxConfig takes a directory for everything that nginx writes, the address,
// and the two files of the pair.
const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    server {
        listen %[2]s ssl;
        ssl_certificate %[3]s;
        ssl_certificate_key %[4]s;
        location / { return 200 "hello\n"; }
    }
}
`

// startNginx starts nginx, with all that it writes in the directory home, and
// waits until it listens.
func (s *webServer) startNginx(ctx context.Context, path, home string) (err error) {
	s.kind = "nginx"
	if s.address, err = freeAddress(); err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	file := filepath.Join(home, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, home, s.address, s.fullchain, s.key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	argv := []string{path, "-p", home, "-e", filepath.Join(home, "error.log"), "-c", file}
	s.check = slices.Concat(argv, []string{"-t"})
	s.reloader = slices.Concat(argv, []string{"-s", "reload"})
	process := exec.Command(argv[0], argv[1:]...)
	if err := process.Start(); err != nil {
		return err
	}
	s.stop = func() { end(process) }
	if err := s.waitUntilUp(ctx); err != nil {
		s.stop()
		return err
	}
	return nil
}

// freeAddress finds a port that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (s *webServer) waitUntilUp(ctx context.Context) error {
	for range 100 {
		if conn, err := net.DialTimeout("tcp", s.address, time.Second); err == nil {
			return conn.Close()
		}
		if !pause(ctx, 50*time.Millisecond) {
			break
		}
	}
	return fmt.Errorf("%s did not come up at %s", s.kind, s.address)
}

// end asks a process to end, and kills it when it has not after five seconds.
func end(process *exec.Cmd) {
	process.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { process.Process.Kill() })
	defer kill.Stop()
	process.Wait()
}
