package deploy_test

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

const (
	nginxHead = `daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log notice;
events {}
http {
	access_log off;
`
	nginxServer = `
	server {
		listen %s ssl;
		server_name %s;
		ssl_certificate %s;
		ssl_certificate_key %s;
	}
`
)

// nginxConfig is a server for each target, told apart by its name.
func nginxConfig(h *host, targets ...deploy.Target) string {
	var text strings.Builder
	fmt.Fprintf(&text, nginxHead, h.dir)
	for _, target := range targets {
		fmt.Fprintf(&text, nginxServer, h.address, target.ServerName, target.Fullchain, target.Key)
	}
	return text.String() + "}\n"
}

// startNginx serves the targets' files by a real nginx in place of the test's
// own server, and changes the targets to match.
func startNginx(t testing.TB, h *host, targets ...*deploy.Target) (master *os.Process) {
	t.Helper()
	h.address = freeAddress(t)
	config := h.path("nginx.conf")
	argv := []string{"nginx", "-p", h.dir, "-c", config, "-e", h.path("error.log")}
	var servers []deploy.Target
	for _, target := range targets {
		target.ServerName = cmp.Or(target.ServerName, "example.com")
		target.Check = append(slices.Clone(argv), "-t", "-q")
		target.Reload = append(slices.Clone(argv), "-s", "reload")
		target.Probe = []string{h.address}
		target.Timeout = 10 * time.Second
		servers = append(servers, *target)
	}
	write(t, config, []byte(nginxConfig(h, servers...)))
	server := exec.Command(argv[0], argv[1:]...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait() // its status is not what is tested
	})
	for range 1000 {
		if deploy.Probe(t.Context(), h.address, "example.com", nil).Err == nil {
			return server.Process
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nginx does not answer")
	return nil
}

func freeAddress(t testing.TB) string {
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
	checkError(t, result.Err, "the fault is not in the certificate; the previous files are back")
	checkError(t, result.Err, `[emerg] unknown directive \"no_such_directive\"`)
	if hint.Of(result.Err) != "run the check by hand, as the agent's user, and mend what it says" {
		t.Errorf("hint %q", hint.Of(result.Err))
	}
	h.holds(t, old)
	h.serves(t, old)

	write(t, h.path("nginx.conf"), config)
	checkError(t, install(t, job).Err, "")
	h.holds(t, b)
	h.serves(t, b)
}

// A steady client sees no failure while its server is given fifty certificates.
func TestFiftyRenewalsOfNginxFailNoHandshake(t *testing.T) {
	need(t, "nginx")
	t.Parallel()
	h := newHost(t)
	h.put(t, h.issue(t))
	job := h.job(nil)
	startNginx(t, h, &job.Target)
	job.Originals = ""

	stop := make(chan struct{})
	var client sync.WaitGroup
	handshakes := 0
	client.Go(func() {
		for ; ; handshakes++ {
			select {
			case <-stop:
				return
			default:
			}
			conn, err := tls.Dial("tcp", h.address, &tls.Config{ServerName: "example.com", InsecureSkipVerify: true})
			if err != nil {
				t.Errorf("handshake %d: %v", handshakes, err)
				continue
			}
			_ = conn.Close()
			time.Sleep(2 * time.Millisecond) // leave the machine to the others
		}
	})
	for range 50 {
		job.Bundle = h.issue(t)
		checkError(t, install(t, job).Err, "")
	}
	close(stop)
	client.Wait()
	if handshakes < 500 {
		t.Errorf("only %d handshakes", handshakes)
	}
}

// fault 75
func TestAnNginxThatIgnoresItsReloadIsSeenAndHealsLater(t *testing.T) {
	need(t, "nginx")
	t.Parallel()
	h := newHost(t)
	old := h.put(t, h.issue(t))
	b := h.issue(t)
	job := h.job(b)
	master := startNginx(t, h, &job.Target)
	if err := master.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	job.Target.Timeout = time.Second
	result := install(t, job)
	checkError(t, result.Err, "1 of 1 probes do not show the new certificate: "+h.address+" serves the certificate of ")
	if result.RolledBack {
		t.Errorf("%+v", result)
	}
	h.serves(t, old)
	h.holds(t, b)

	if err := master.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	job.Target.Timeout = 10 * time.Second
	checkError(t, install(t, job).Err, "")
	h.serves(t, b)
}

// manyTargets are those of one nginx with as many names.
func manyTargets(t testing.TB, h *host, count int) []deploy.Target {
	t.Helper()
	targets := make([]deploy.Target, count)
	var all []*deploy.Target
	old := h.issue(t)
	for n := range targets {
		targets[n] = h.target()
		targets[n].Fullchain, targets[n].Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
		targets[n].ServerName = fmt.Sprintf("host%d.example.com", n)
		write(t, targets[n].Fullchain, old.FullchainPEM())
		write(t, targets[n].Key, old.KeyPEM())
		all = append(all, &targets[n])
	}
	startNginx(t, h, all...)
	return targets
}

func installAll(t testing.TB, targets []deploy.Target, b *bundle.Bundle) {
	t.Helper()
	var jobs []deploy.Job
	for _, target := range targets {
		jobs = append(jobs, deploy.Job{Certificate: "www", Target: target, Bundle: b})
	}
	for _, result := range deploy.Install(t.Context(), jobs) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
}

func TestManyDeploymentsHardlyReloadNginx(t *testing.T) {
	need(t, "nginx")
	h := newHost(t)
	targets := manyTargets(t, h, 30)
	installAll(t, targets, h.issue(t))
	log, err := os.ReadFile(h.path("error.log"))
	// One, unless the machine is so slow that they hardly come together.
	if n := strings.Count(string(log), "signal 1 (SIGHUP) received"); n < 1 || n > 4 || err != nil {
		t.Errorf("%d reloads, error %v", n, err)
	}
}

func BenchmarkInstallHundredTargetsOfNginx(b *testing.B) {
	if _, err := exec.LookPath("nginx"); err != nil {
		b.Skip("nginx is not installed")
	}
	h := newHost(b)
	targets := manyTargets(b, h, 100)
	bundles := []*bundle.Bundle{h.issue(b), h.issue(b)}
	for i := 0; b.Loop(); i++ {
		installAll(b, targets, bundles[i%2])
	}
}
