package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"dvagent/deploy"
)

const dovecotConfig = `base_dir = %[1]s/run
log_path = %[1]s/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[1]s/fullchain.pem
ssl_key = <%[1]s/key.pem
passdb {
  driver = static
  args = password=unused
}
service imap-login {
  inet_listener imap {
    port = %[2]s
  }
  inet_listener imaps {
    port = 0
  }
}
`

func TestInstallIsProvedBySTARTTLSWithDovecot(t *testing.T) {
	need(t, "dovecot")
	if os.Geteuid() != 0 {
		t.Skip("dovecot wants root to start")
	}
	h := newHost(t)
	h.put(t, h.issue(t))
	h.address = freeAddress(t)
	config := h.path("dovecot.conf")
	write(t, config, fmt.Appendf(nil, dovecotConfig, h.dir, h.address[len("127.0.0.1:"):]))
	server := exec.Command("dovecot", "-F", "-c", config)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait() // its status is not what is tested
	})
	job := h.job(h.issue(t))
	job.Target.Probe = []string{"imap://" + h.address}
	job.Target.Reload = []string{"doveadm", "-c", config, "reload"}
	job.Target.Timeout = 20 * time.Second
	for deadline := time.Now().Add(20 * time.Second); deploy.Probe(t.Context(), job.Target.Probe[0], "example.com", nil).Err != nil; {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(h.path("dovecot.log"))
			t.Fatalf("dovecot does not answer: %s", log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	checkError(t, install(t, job).Err, "")
}
