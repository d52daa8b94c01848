package nginx

import (
	"path"
	"slices"
	"strings"
)

// scope is what a server inherits from the block around it.
type scope struct {
	certificates []string // as written; a server's own take the place of all of these
	keys         []string // as written, likewise
	lua          string   // the directive by which Lua chooses one
	tls          bool     // whatever it listens on
	refuses      bool     // every handshake, and so needs no certificate
}

// within is the scope inside of a block.
func (s scope) within(block []directive) scope {
	var own, keys []string
	for _, d := range block {
		switch d.name() {
		case "ssl_certificate":
			own = append(own, d.argument())
		case "ssl_certificate_key":
			keys = append(keys, d.argument())
		case "ssl_certificate_by_lua_block", "ssl_certificate_by_lua_file":
			s.lua = d.name()
		case "ssl":
			s.tls = d.argument() == "on"
		case "starttls":
			s.tls = d.argument() != "off"
		case "ssl_reject_handshake":
			s.refuses = d.argument() == "on"
		}
	}
	if own != nil {
		s.certificates = own
	}
	if keys != nil {
		s.keys = keys
	}
	return s
}

// tlsServers finds the servers in the three blocks that can have some.
func tlsServers(directives []directive, mainFile string) []Server {
	var servers []Server
	for _, d := range directives {
		if slices.Contains([]string{"http", "stream", "mail"}, d.name()) {
			servers = append(servers, serversOf(d.block, path.Dir(mainFile))...)
		}
	}
	return servers
}

func serversOf(block []directive, prefix string) []Server {
	outer := scope{}.within(block)
	tls := tlsAddresses(block)
	var servers []Server
	for _, d := range block {
		if d.name() != "server" {
			continue
		}
		s := Server{Place: d.place, Names: names(d.block), Listen: listens(d.block)}
		inner := outer.within(d.block)
		speaks := inner.tls || slices.ContainsFunc(s.Listen, func(a string) bool { return tls[address(a)] })
		if !speaks || inner.refuses && len(inner.certificates) == 0 {
			continue
		}
		s.Certificates, s.NotFiles = inner.sorted(prefix)
		s.Keys = inner.keyFiles(prefix)
		servers = append(servers, s)
	}
	return servers
}

// sorted tells paths from what is no path.
func (s scope) sorted(prefix string) (paths, notFiles []string) {
	for _, text := range s.certificates {
		switch {
		case strings.HasPrefix(text, "data:"):
			notFiles = append(notFiles, "data:…")
		case strings.Contains(text, "$"):
			notFiles = append(notFiles, text)
		default:
			paths = append(paths, absolute(prefix, text))
		}
	}
	if s.lua != "" {
		notFiles = append(notFiles, s.lua)
	}
	return paths, notFiles
}

// keyFiles are the paths of keys; what is no path, such as an engine's, is left out.
func (s scope) keyFiles(prefix string) []string {
	var paths []string
	for _, text := range s.keys {
		if !strings.ContainsAny(text, "$:") {
			paths = append(paths, absolute(prefix, text))
		}
	}
	return paths
}

// names are those of all server_name directives; an empty one says nothing.
func names(block []directive) []string {
	var all []string
	for _, d := range block {
		if d.name() != "server_name" {
			continue
		}
		for _, name := range d.words[1:] {
			if name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

func listens(block []directive) []string {
	var all []string
	for _, d := range block {
		if d.name() == "listen" {
			all = append(all, d.argument())
		}
	}
	return all
}

// tlsAddresses are those with the parameter ssl or quic. It counts for every
// server on the address, although it may stand in one of them alone.
func tlsAddresses(block []directive) map[string]bool {
	tls := map[string]bool{}
	for _, server := range block {
		if server.name() != "server" {
			continue
		}
		for _, d := range server.block {
			if d.name() == "listen" && (slices.Contains(d.words, "ssl") || slices.Contains(d.words, "quic")) {
				tls[address(d.argument())] = true
			}
		}
	}
	return tls
}

// address spells one in one way: 443, *:443 and 0.0.0.0:443 are the same.
func address(listen string) string {
	host, port := "*", listen
	if i := strings.LastIndexByte(listen, ':'); i >= 0 && !strings.HasSuffix(listen, "]") {
		host, port = listen[:i], listen[i+1:]
	} else if strings.Trim(listen, "0123456789") != "" {
		host, port = listen, "80"
	}
	if host == "0.0.0.0" {
		host = "*"
	}
	return host + ":" + port
}
