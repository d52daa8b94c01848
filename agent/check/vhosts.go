package check

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/config"
	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/hint"
	"dvagent/internal/nginx"
	"dvagent/internal/openat"
)

// vhosts compares the TLS servers of one nginx with the managed certificates.
type vhosts struct {
	certificates []config.Certificate
	byName       map[string]int    // the place of a certificate among them
	byDomain     map[string][]int  // those of the certificates that have a domain
	managed      map[string]string // resolved path -> name of a certificate
	versions     map[string]string // directory of versions -> the link to use in its place
	paths        resolver
	now          time.Time
}

// nginxServers says nothing where there is no nginx, or one without TLS.
func (c *Check) nginxServers(ctx context.Context, now time.Time) []Finding {
	var findings []Finding
	compared := sync.OnceValue(func() vhosts { return c.vhosts(now) })
	for _, argv := range c.nginxCommands() {
		servers, err := nginx.Servers(ctx, argv)
		if err != nil {
			findings = append(findings, vhostWarning(err))
		}
		if len(servers) == 0 {
			continue
		}
		v := compared()
		for _, server := range servers {
			findings = append(findings, v.check(server)...)
		}
		findings = append(findings, v.checkEnds(servers)...)
	}
	return findings
}

func vhostWarning(err error) Finding { return Finding{Subject: "nginx", Err: err, Warning: true} }

// nginxCommands are the nginx that deployments are checked with, or else the
// one in PATH, without the flags of a test.
func (c *Check) nginxCommands() [][]string {
	var all [][]string
	for _, certificate := range c.host.Config.Certificates {
		for _, target := range certificate.Deploy {
			if len(target.Check) == 0 || filepath.Base(target.Check[0]) != "nginx" {
				continue
			}
			argv := slices.DeleteFunc(slices.Clone(target.Check), func(arg string) bool {
				return slices.Contains([]string{"-t", "-T", "-q", "-tq", "-qt"}, arg)
			})
			if !slices.ContainsFunc(all, func(known []string) bool { return slices.Equal(known, argv) }) {
				all = append(all, argv)
			}
		}
	}
	if _, err := command.LookPath([]string{"nginx"}); len(all) == 0 && err == nil {
		all = [][]string{{"nginx"}}
	}
	return all
}

func (c *Check) vhosts(now time.Time) vhosts {
	v := vhosts{c.host.Config.Certificates, map[string]int{}, map[string][]int{}, map[string]string{}, map[string]string{}, resolver{}, now}
	for i, certificate := range c.host.Config.Certificates {
		v.byName[certificate.Name] = i
		for _, domain := range certificate.Domains {
			domain = strings.ToLower(domain)
			v.byDomain[domain] = append(v.byDomain[domain], i)
		}
		store := c.host.Dir.Store(certificate.Name)
		v.versions[store.VersionsDir()] = store.CurrentDir()
		paths := []string{filepath.Join(store.CurrentDir(), bundle.CertFile), filepath.Join(store.CurrentDir(), bundle.FullchainFile)}
		for _, target := range certificate.Deploy {
			paths = append(paths, target.Paths()...)
		}
		for _, path := range paths {
			v.managed[v.paths.resolved(path)] = certificate.Name
		}
	}
	return v
}

// resolver knows where directories lead that were asked for before.
type resolver map[string]string

// resolved follows symlinks as far as there is something to follow.
func (r resolver) resolved(path string) string {
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return resolved(path)
	}
	if _, known := r[dir]; !known {
		r[dir] = resolved(dir)
	}
	within := filepath.Join(r[dir], name)
	if info, err := os.Lstat(within); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return resolved(path)
	}
	return within
}

func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return filepath.Clean(path)
}

// check says which certificates one server uses.
func (v vhosts) check(server nginx.Server) []Finding {
	who := title(server)
	if len(server.NotFiles) > 0 {
		return []Finding{vhostWarning(fmt.Errorf("%s: not understood: the certificate comes from %s", who, strings.Join(server.NotFiles, ", ")))}
	}
	if len(server.Certificates) == 0 {
		return []Finding{vhostWarning(fmt.Errorf("%s: it has no certificate of its own; nginx serves that of the default server", who))}
	}
	var findings []Finding
	var used []string
	for _, path := range server.Certificates {
		name, managed := v.managed[v.paths.resolved(path)]
		switch link := v.versions[filepath.Dir(filepath.Dir(path))]; {
		case link != "":
			err := fmt.Errorf("%s: %s stays at one version", who, path)
			findings = append(findings, vhostWarning(hint.Add(err, "name the file in "+link+" instead")))
		case !managed:
			err := fmt.Errorf("%s: %s is not managed by dvagent", who, path)
			findings = append(findings, vhostWarning(hint.Add(err, v.offer(server.Names))))
		case !slices.Contains(used, name):
			used = append(used, name)
			findings = append(findings, v.checkNames(who, server, name))
		}
	}
	return findings
}

// checkNames looks for names that the managed certificate does not cover.
func (v vhosts) checkNames(who string, server nginx.Server, name string) Finding {
	i := v.byName[name]
	var missing []string
	for _, serverName := range server.Names {
		if isHostName(serverName) && !covers(v.certificates[i].Domains, serverName) {
			missing = append(missing, serverName)
		}
	}
	if len(missing) > 0 {
		return vhostWarning(hint.Add(fmt.Errorf("%s: certificate %s does not cover %s", who, name, strings.Join(missing, " ")), v.offer(missing)))
	}
	return Finding{Subject: "nginx", OK: fmt.Sprintf("%s: certificate %s", who, name)}
}

// offer names a managed certificate that covers all the names.
func (v vhosts) offer(names []string) string {
	if len(names) == 0 {
		return ""
	}
	first := hostOf(strings.TrimPrefix(names[0], "."))
	_, parent, _ := strings.Cut(first, ".")
	for _, i := range slices.Sorted(slices.Values(slices.Concat(v.byDomain[first], v.byDomain["*."+parent]))) {
		certificate := v.certificates[i]
		lacks := func(name string) bool { return !covers(certificate.Domains, name) }
		if !slices.ContainsFunc(names, lacks) {
			return "certificate " + certificate.Name + " covers " + strings.Join(names, " ")
		}
	}
	return ""
}

// isHostName says that a server_name can be compared with domains: it is no
// pattern but *.example.com and .example.com, no variable, and no stand-in such
// as _ or localhost.
func isHostName(name string) bool {
	return !strings.HasPrefix(name, "~") && !strings.HasSuffix(name, ".*") &&
		!strings.Contains(name, "$") && strings.Contains(name, ".")
}

// hostOf is a server_name as domains are written.
func hostOf(name string) string {
	name = strings.ToLower(name)
	if ascii, err := address.Host(name); err == nil {
		name = ascii
	}
	return strings.TrimSuffix(name, ".")
}

// covers is for one server_name. That of .example.com stands for two.
func covers(domains []string, name string) bool {
	name = hostOf(name)
	if parent, both := strings.CutPrefix(name, "."); both {
		return covers(domains, parent) && covers(domains, "*."+parent)
	}
	return bundle.CoversName(domains, name)
}

// soon is how long before its end a file is warned of: a third of the lifetime,
// and 30 days at most.
func soon(leaf *x509.Certificate) time.Duration {
	return min(leaf.NotAfter.Sub(leaf.NotBefore)/3, 30*24*time.Hour)
}

// checkEnds looks at the files that no one manages, each once.
func (v vhosts) checkEnds(servers []nginx.Server) []Finding {
	var findings []Finding
	seen := map[string]bool{}
	for _, server := range servers {
		for _, path := range server.Certificates {
			if _, managed := v.managed[v.paths.resolved(path)]; managed || seen[v.paths.resolved(path)] {
				continue
			}
			seen[v.paths.resolved(path)] = true
			leaf, err := leafIn(path)
			if err != nil {
				findings = append(findings, vhostWarning(err))
			} else if v.now.After(leaf.NotAfter.Add(-soon(leaf))) {
				findings = append(findings, vhostWarning(fmt.Errorf("%s, which is not managed by dvagent, is valid until %s",
					path, words.Date(leaf.NotAfter))))
			}
		}
	}
	return findings
}

// leafIn reads the first certificate of a PEM file, which nginx takes as the
// leaf.
func leafIn(path string) (*x509.Certificate, error) {
	file, err := openat.ReadFile(path, bundle.MaxBytes)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(file.Data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue // a combined file begins with its key
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		return leaf, nil
	}
	return nil, fmt.Errorf("read %s: it holds no certificate", path)
}

// title is how an operator knows the server: by its names, or where it has none
// by its addresses.
func title(server nginx.Server) string {
	names := strings.Join(server.Names, " ")
	if names == "" {
		names = "any name at " + strings.Join(server.Listen, " ")
	}
	return fmt.Sprintf("%s (%s)", names, server.Place)
}
