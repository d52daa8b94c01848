package fleet

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"dvagent/internal/line"
)

// Host is the value of hosts/HOST: what a host serves.
type Host struct {
	Name     string            `json:"-"`
	At       time.Time         `json:"at"`       // when it said so
	Versions map[string]string `json:"versions"` // by certificate
	entry    Entry
}

const hostsAt = "hosts/"

// Host reads the entry of one host; a damaged one is empty.
func (f *Fleet) Host(ctx context.Context, name string) (Host, error) {
	entry, err := f.Read(ctx, hostsAt+name)
	return readHost(entry), err
}

// Hosts reads all of them.
func (f *Fleet) Hosts(ctx context.Context) ([]Host, error) {
	entries, _, err := f.ReadAll(ctx, hostsAt)
	var all []Host
	for _, entry := range entries {
		all = append(all, readHost(entry))
	}
	return all, err
}

// What is kept of texts that other hosts wrote.
const (
	mostName = 256 // bytes of what a host is called
	mostText = 300 // bytes of an error
)

// holderOf is who has the lease of an order; a host without a name where that cannot be read.
func holderOf(value []byte) self {
	var holder self
	_ = json.Unmarshal(value, &holder)
	holder.Name = line.Short(holder.Name, mostName)
	return holder
}

func readHost(entry Entry) Host {
	h := Host{}
	if json.Unmarshal(entry.Value, &h) != nil {
		h = Host{}
	}
	h.Name, h.entry = strings.TrimPrefix(entry.Key, hostsAt), entry
	return h
}

// Register writes what a host serves, unless it was changed since it was read.
func (f *Fleet) Register(ctx context.Context, h Host) error {
	value, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return f.Write(ctx, h.entry.Put(value))
}
