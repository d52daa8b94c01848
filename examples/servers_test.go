package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// nginxConfig takes a directory for all that nginx writes, and the file with
// the server.
const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    include %[2]s;
}
`

func setNginx(t *testing.T, s site) (server []string, table string) {
	argv := nginxArgv(t, s)
	return argv, adapted(t, "nginx/deploy.toml",
		list("nginx", "-t"), list(append(argv, "-t")...),
		list("systemctl", "reload", "nginx"), list(append(argv, "-s", "reload")...),
		"/etc/nginx/tls", s.dir, "127.0.0.1:443", s.address)
}

// nginxArgv writes the configuration around the example's server.
func nginxArgv(t *testing.T, s site) []string {
	t.Helper()
	write(t, s.path("www.conf"), adapted(t, "nginx/www.conf", "/etc/nginx/tls", s.dir, "listen 443", "listen "+s.address))
	write(t, s.path("nginx.conf"), fmt.Sprintf(nginxConfig, s.dir, s.path("www.conf")))
	argv := []string{"nginx", "-p", s.dir, "-e", s.path("error.log"), "-c", s.path("nginx.conf")}
	return argv[:len(argv):len(argv)]
}

// setUnprivileged stands in for systemd: it starts the service whenever the
// path is there.
func setUnprivileged(t *testing.T, s site) (server []string, table string) {
	argv := nginxArgv(t, s)
	const asked = "/run/dvagent/reload-nginx"
	path := regexp.MustCompile(`(?m)^PathExists=(.+)$`).FindStringSubmatch(
		adapted(t, "systemd/dvagent-reload-nginx.path", asked, s.path("reload-nginx")))
	service := serviceCommands(adapted(t, "systemd/dvagent-reload-nginx.service", asked, s.path("reload-nginx"),
		"/bin/systemctl reload nginx.service", strings.Join(append(argv, "-s", "reload"), " ")))
	go func() {
		for ; t.Context().Err() == nil; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(path[1]); err != nil {
				continue
			}
			_ = exec.Command("/bin/sh", "-c", service).Run() // the probe tells
		}
	}()
	return argv, adapted(t, "unprivileged/deploy.toml", asked, s.path("reload-nginx"),
		"/etc/nginx/tls", s.dir, "127.0.0.1:443", s.address)
}

// serviceCommands are those of a unit, as a script. For the quotes that it uses,
// systemd's rules are the shell's.
func serviceCommands(unit string) string {
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindAllStringSubmatch(unit, -1) {
		lines = append(lines, m[1])
	}
	return strings.Join(lines, " && ")
}

const apacheConfig = `ServerRoot %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Mutex file:%[1]s default
Listen %[2]s
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
ServerName localhost
Include %[1]s/www.conf
`

func setApache(t *testing.T, s site) (server []string, table string) {
	write(t, s.path("www.conf"), adapted(t, "apache2/www.conf", "/etc/apache2/tls", s.dir, "*:443", s.address))
	write(t, s.path("apache2.conf"), fmt.Sprintf(apacheConfig, s.dir, s.address))
	argv := []string{"apache2", "-f", s.path("apache2.conf")}
	argv = argv[:len(argv):len(argv)]
	return append(argv, "-DFOREGROUND"), adapted(t, "apache2/deploy.toml",
		list("apache2ctl", "configtest"), list(append(argv, "-t")...),
		list("systemctl", "reload", "apache2"), list(append(argv, "-k", "graceful")...),
		"/etc/apache2/tls", s.dir, "127.0.0.1:443", s.address)
}

// setHaproxy runs haproxy without a master process, so that it cannot reload.
func setHaproxy(t *testing.T, s site) (server []string, table string) {
	script, err := filepath.Abs("haproxy/haproxy-set-cert")
	if err != nil {
		t.Fatal(err)
	}
	const socket = "/run/haproxy/admin.sock"
	write(t, s.path("haproxy.cfg"), adapted(t, "haproxy/haproxy.cfg",
		socket, s.path("admin.sock"), "bind :443", "bind "+s.address, "/etc/haproxy/tls", s.dir))
	return []string{"haproxy", "-db", "-f", s.path("haproxy.cfg")}, adapted(t, "haproxy/deploy.toml",
		"/usr/local/bin/haproxy-set-cert", script, socket, s.path("admin.sock"),
		"/etc/haproxy/haproxy.cfg", s.path("haproxy.cfg"), "/etc/haproxy/tls", s.dir, "127.0.0.1:443", s.address)
}

func TestHaproxySetCertSaysWhatHaproxyRefuses(t *testing.T) {
	need(t, "haproxy")
	need(t, "socat")
	s := newSite(t)
	argv, table := setHaproxy(t, s)
	newHost(t, table).placeholder(t)
	s.start(t, argv)
	pem := adapted(t, s.path("www.pem"))
	write(t, s.path("other.pem"), pem)
	write(t, s.path("empty.pem"), "")
	for _, tt := range []struct{ name, socket, file, want string }{
		{"a file that haproxy does not know", "admin.sock", "other.pem", "not referenced"},
		{"a file without a certificate", "admin.sock", "empty.pem", "haproxy says:"},
		{"a file that is missing", "admin.sock", "none.pem", "none.pem"},
		{"a haproxy that is not there", "none.sock", "www.pem", "none.sock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.Command("haproxy/haproxy-set-cert", s.path(tt.socket), s.path(tt.file)).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "PRIVATE KEY") {
				t.Errorf("%v: it says %q", err, out)
			}
		})
	}
}

const tomcatHome = "/usr/share/tomcat10"

// setTomcat has Tomcat look every second, and not every 30.
func setTomcat(t *testing.T, s site) (server []string, table string) {
	if err := os.MkdirAll(s.path("conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("conf/server.xml"), adapted(t, "tomcat/server.xml", "/etc/tomcat10/tls", s.dir,
		`port="8443"`, fmt.Sprintf(`port=%q address="127.0.0.1"`, s.port()),
		`port="-1"`, `port="-1" periodicEventDelay="1"`, `checkPeriod="30"`, `checkPeriod="1"`))
	write(t, s.path("password"), "changeit\n")
	argv := []string{"java", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + s.dir,
		"-Dcatalina.home=" + tomcatHome, "-Dcatalina.base=" + s.dir,
		"-cp", tomcatHome + "/bin/bootstrap.jar:" + tomcatHome + "/bin/tomcat-juli.jar",
		"org.apache.catalina.startup.Bootstrap", "start"}
	return argv, adapted(t, "tomcat/deploy.toml", "/etc/tomcat10/tls", s.dir,
		"/etc/dvagent/keystore-password", s.path("password"), "  group = \"tomcat\"\n", "", "127.0.0.1:8443", s.address)
}

const dovecotConfig = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
default_internal_user = %[3]s
default_internal_group = %[4]s
default_login_user = %[3]s
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = %[2]s
  }
}
service anvil {
  chroot =
}
passdb {
  driver = static
}
!include %[1]s/tls.conf
`

// setDovecot runs it without users of its own, unless it is run by root, which
// it refuses to be.
func setDovecot(t *testing.T, s site) (server []string, table string) {
	if out, err := exec.Command("dovecot", "--version").Output(); err != nil || !strings.HasPrefix(string(out), "2.3.") {
		t.Skipf("the example is for dovecot 2.3 and this is %s: it was not tried", out)
	}
	account, group := "dovecot", "dovecot"
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		mine, err := user.LookupGroupId(me.Gid)
		if err != nil {
			t.Fatal(err)
		}
		account, group = me.Username, mine.Name
	}
	conf := s.path("dovecot.conf")
	write(t, s.path("tls.conf"), adapted(t, "dovecot/tls.conf", "/etc/dovecot/tls", s.dir))
	write(t, conf, fmt.Sprintf(dovecotConfig, s.dir, s.port(), account, group))
	return []string{"dovecot", "-F", "-c", conf}, adapted(t, "dovecot/deploy.toml",
		list("doveconf", "-n"), list("doveconf", "-c", conf, "-n"),
		list("doveadm", "reload"), list("doveadm", "-c", conf, "reload"),
		"/etc/dovecot/tls", s.dir, "127.0.0.1:993", s.address)
}

// fault 150
func TestHaproxySetCertWaitsItsTurn(t *testing.T) {
	need(t, "haproxy")
	need(t, "socat")
	need(t, "flock")
	s := newSite(t)
	argv, table := setHaproxy(t, s)
	newHost(t, table).placeholder(t)
	pem := adapted(t, s.path("www.pem"))
	var bind strings.Builder
	for n := range 8 {
		write(t, s.path(fmt.Sprintf("%d.pem", n)), pem)
		fmt.Fprintf(&bind, " crt %s", s.path(fmt.Sprintf("%d.pem", n)))
	}
	config := adapted(t, s.path("haproxy.cfg"))
	write(t, s.path("haproxy.cfg"), strings.Replace(config, "crt "+s.path("www.pem"), "crt "+s.path("www.pem")+bind.String(), 1))
	s.start(t, argv)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			out, err := exec.Command("haproxy/haproxy-set-cert", s.path("admin.sock"), s.path(fmt.Sprintf("%d.pem", n))).CombinedOutput()
			if err != nil {
				t.Errorf("%v: it says %q", err, out)
			}
		})
	}
	all.Wait()
}
