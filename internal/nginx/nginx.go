// Package nginx reads nginx's configuration as nginx itself dumps it, and says
// which certificate files its TLS servers use. It changes nothing, reads no
// certificate, and does not know which ones are managed.
package nginx

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// Server is a server block of http, stream or mail that speaks TLS.
type Server struct {
	Place        string   // FILE:LINE
	Names        []string // of server_name, as written: exact, with a wildcard, or ~regex
	Listen       []string // addresses, as written
	Certificates []string // absolute paths, symlinks not resolved; one for each kind of key
	Keys         []string // absolute paths, in the order of the configuration
	NotFiles     []string // what else stands in place of a path: variables, data:, Lua
}

const (
	timeout = 30 * time.Second
	maxDump = 16 << 20 // bytes
)

// Servers has the nginx of argv, such as nginx -c FILE, test and dump its
// configuration, and returns the servers that speak TLS in the order of the
// configuration. As at each nginx -t, host names of upstreams are looked up.
func Servers(ctx context.Context, argv []string) ([]Server, error) {
	result := command.Run(ctx, command.Command{
		Argv: append(slices.Clone(argv), "-T"), Env: command.BaseEnv(), Timeout: timeout, MaxOutput: maxDump,
	})
	if result.Err != nil {
		return nil, hint.Add(fmt.Errorf("dump nginx's configuration: %w", result.Err),
			"nginx -T must succeed, as this user")
	}
	if result.Truncated {
		return nil, fmt.Errorf("dump nginx's configuration: it is longer than %d bytes", maxDump)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	servers, err := parse(ctx, result.Output)
	if err != nil {
		return nil, fmt.Errorf("read nginx's configuration: %w", err)
	}
	return servers, nil
}

// parse reads what nginx -T printed. An error says where it is not understood.
func parse(ctx context.Context, text string) ([]Server, error) {
	d, err := split(ctx, text)
	if err != nil {
		return nil, err
	}
	directives, err := d.directives(ctx)
	if err != nil {
		return nil, err
	}
	return tlsServers(directives, d.main.name), nil
}
