package deploy_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"dvagent/deploy"
)

const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	server {
		listen %[2]s ssl;
		ssl_certificate %[1]s/fullchain.pem;
		ssl_certificate_key %[1]s/key.pem;
	}
}
`

// startNginx serves the host's files by a real nginx in place of the test's
// own server, and changes the target to match.
func startNginx(t *testing.T, h *host, target *deploy.Target) {
	t.Helper()
	h.address = freeAddress(t)
	config := h.path("nginx.conf")
	write(t, config, fmt.Appendf(nil, nginxConfig, h.dir, h.address))
	argv := []string{"nginx", "-p", h.dir, "-c", config, "-e", h.path("error.log")}
	server := exec.Command(argv[0], argv[1:]...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait() // its status is not what is tested
	})
	target.Check = append(argv, "-t", "-q")
	target.Reload = append(argv, "-s", "reload")
	target.Probe = []string{h.address}
	target.Timeout = 10 * time.Second
	for range 1000 {
		if deploy.Probe(t.Context(), h.address, "example.com").Err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nginx does not answer")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestInstallWithNginx(t *testing.T) {
	need(t, "nginx")
	h := newHost(t)
	old := h.put(t, h.issue(t))
	b := h.issue(t)
	job := h.job(b)
	startNginx(t, h, &job.Target)

	// fault 74
	config, err := os.ReadFile(h.path("nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.path("nginx.conf"), append([]byte("no_such_directive;\n"), config...))
	result := install(t, job)
	checkError(t, result.Err, "the fault is not in the certificate; the files before are back")
	h.holds(t, old)
	h.serves(t, old)

	write(t, h.path("nginx.conf"), config)
	checkError(t, install(t, job).Err, "")
	h.holds(t, b)
	h.serves(t, b)
}
