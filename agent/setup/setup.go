// Package setup makes a first configuration. It says which servers of this host
// speak TLS and where they read their certificates, what an account has, and how
// agent.toml reads that puts them together. It asks nobody, and changes nothing.
package setup

import (
	"context"
	"slices"
	"strings"

	"dvagent/internal/command"
	"dvagent/internal/nginx"
)

// Site is a server with TLS, or the place where one is to come.
type Site struct {
	Names []string // DNS names that it answers to, none for any
	Place string   // FILE:LINE of its configuration; "" where it is to come

	Fullchain, Key, Combined string // absolute paths; Combined stands alone
	Probe                    string // host:port
}

// Sites are the TLS servers of this host's nginx that read a certificate and its
// key from files. Without nginx there are none.
func Sites(ctx context.Context) ([]Site, error) {
	if _, err := command.LookPath([]string{"nginx"}); err != nil {
		return nil, nil
	}
	servers, err := nginx.Servers(ctx, []string{"nginx"})
	if err != nil {
		return nil, err
	}
	var sites []Site
	for _, s := range servers {
		if len(s.Certificates) != 1 || len(s.Keys) != 1 {
			continue // which of several pairs is meant only its operator knows
		}
		site := Site{Names: dnsNames(s.Names), Place: s.Place, Fullchain: s.Certificates[0], Key: s.Keys[0], Probe: probeOf(s.Listen)}
		same := slices.IndexFunc(sites, func(other Site) bool { return other.Fullchain == site.Fullchain && other.Key == site.Key })
		if same < 0 {
			sites = append(sites, site)
			continue
		}
		for _, name := range site.Names {
			if !slices.Contains(sites[same].Names, name) {
				sites[same].Names = append(sites[same].Names, name)
			}
		}
	}
	return sites, nil
}

// dnsNames are the names that a certificate can be for.
func dnsNames(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !strings.Contains(strings.Trim(name, "."), ".") || strings.ContainsAny(name, "~$^/ ") || strings.Contains(strings.TrimPrefix(name, "*."), "*")
	})
}

// probeOf is where this host reaches the first address that a server listens at.
func probeOf(listens []string) string {
	for _, listen := range listens {
		host, port := "", listen
		if i := strings.LastIndexByte(listen, ':'); i >= 0 && !strings.HasSuffix(listen, "]") {
			host, port = listen[:i], listen[i+1:]
		}
		if strings.Trim(port, "0123456789") != "" || port == "" || port == "80" {
			continue
		}
		switch host {
		case "", "*", "0.0.0.0":
			host = "127.0.0.1"
		case "[::]":
			host = "[::1]"
		}
		return host + ":" + port
	}
	return "127.0.0.1:443"
}

// Named is the site whose names say most for the domains: all of them, else the
// first, else none.
func Named(sites []Site, domains []string) (Site, bool) {
	for _, wanted := range [][]string{domains, domains[:min(len(domains), 1)]} {
		for _, site := range sites {
			has := func(domain string) bool { return slices.Contains(site.Names, domain) }
			if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(domain string) bool { return !has(domain) }) {
				return site, true
			}
		}
	}
	return Site{}, false
}
