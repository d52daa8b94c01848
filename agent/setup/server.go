package setup

import (
	"path/filepath"
	"strings"
)

// Server is a program that serves certificates, and how it takes a new one.
type Server struct {
	Name   string
	Dir    string // where its certificates go, unless it reads them elsewhere
	Check  []string
	Reload []string
}

// Servers are those that a first configuration can be made for.
var Servers = []Server{
	{Name: "nginx", Dir: "/etc/nginx/tls", Check: []string{"nginx", "-t"}, Reload: []string{"systemctl", "reload", "nginx"}},
	{Name: "apache2", Dir: "/etc/apache2/tls", Check: []string{"apache2ctl", "configtest"}, Reload: []string{"systemctl", "reload", "apache2"}},
	{Name: "haproxy", Dir: "/etc/haproxy/tls", Check: []string{"haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg"},
		Reload: []string{"systemctl", "reload", "haproxy"}},
}

// Site is where the certificate of that name goes when the server reads it from
// nowhere yet.
func (s Server) Site(certificate string) Site {
	base := filepath.Join(s.Dir, strings.ReplaceAll(certificate, "*", "_"))
	if s.Name == "haproxy" {
		return Site{Combined: base + ".pem", Probe: "127.0.0.1:443"}
	}
	return Site{Fullchain: base + ".pem", Key: base + ".key", Probe: "127.0.0.1:443"}
}
