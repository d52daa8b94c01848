package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/internal/bundle"
	"dvagent/internal/line"
)

// Rollout is the value of rollouts/NAME: which version all hosts are to serve, and how
// those fared that try it first.
type Rollout struct {
	Name string `json:"-"` // of the certificate

	ID      string    `json:"id"`      // of the publication, another one each time
	Version Version   `json:"version"` // that is to be served
	By      string    `json:"by"`      // the host that published it
	At      time.Time `json:"at"`
	Newest  Version   `json:"newest"` // that there is; another one than Version where that was rolled back to

	Tries    map[string]Try `json:"tries,omitempty"` // by host
	Released bool           `json:"released,omitempty"`

	entry Entry
}

// Version is what is known of a version without its bundle.
type Version struct {
	ID        string    `json:"id"` // as bundle.ID
	Domains   []string  `json:"domains"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Try is how a canary fares.
type Try struct {
	At    time.Time `json:"at"`
	State TryState  `json:"state"`
	Error string    `json:"error,omitempty"`
}

// TryState is how far a canary has come.
type TryState string

const (
	Trying TryState = "trying"
	Served TryState = "served"
	Failed TryState = "failed"
)

// versionOf is what is told of a leaf.
func versionOf(leaf *x509.Certificate) Version {
	return Version{ID: (&bundle.Bundle{Leaf: leaf}).ID(), Domains: leaf.DNSNames, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
}

const (
	bundlesAt  = "bundles/"
	rolloutsAt = "rollouts/"
)

// Known says that something was published of the certificate.
func (r Rollout) Known() bool { return r.Version.ID != "" }

// RolledBack says that the version is not the newest one.
func (r Rollout) RolledBack() bool { return r.Version.ID != r.Newest.ID }

// RolloutError is a rollout that cannot be read.
type RolloutError struct{ Name string }

func (e *RolloutError) Error() string {
	return "what etcd holds of the rollout of " + e.Name + " is damaged"
}

// isVersion is how bundle.ID is written.
var isVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9a-f]{12}$`) })

// mostID is how long the ID of a publication may be.
const mostID = 64

// readRollout is a rollout that only has its entry where it is damaged.
func readRollout(entry Entry) (Rollout, error) {
	r := Rollout{Name: strings.TrimPrefix(entry.Key, rolloutsAt)}
	if entry.Value == nil {
		r.entry = entry
		return r, nil
	}
	err := json.Unmarshal(entry.Value, &r)
	if err != nil || r.ID == "" || len(r.ID) > mostID || !isVersion().MatchString(r.Version.ID) || !isVersion().MatchString(r.Newest.ID) {
		return Rollout{Name: r.Name, entry: entry}, &RolloutError{r.Name}
	}
	r.entry = entry
	return r.tidy(), nil
}

// tidy makes what other hosts wrote fit for a line.
func (r Rollout) tidy() Rollout {
	r.By = line.Short(r.By, mostName)
	tries := map[string]Try{}
	for host, one := range r.Tries {
		one.Error = line.Short(one.Error, mostText)
		tries[line.Short(host, mostName)] = one
	}
	r.Tries = tries
	return r
}

// Rollout reads that of one certificate. One that is damaged is a *RolloutError, and can be
// published over.
func (f *Fleet) Rollout(ctx context.Context, name string) (Rollout, error) {
	entry, err := f.Read(ctx, rolloutsAt+name)
	if err != nil {
		return Rollout{Name: name}, err
	}
	return readRollout(entry)
}

// Rollouts reads all of them by one request. at is for Watch. Those that are damaged are
// among them, and not Known.
func (f *Fleet) Rollouts(ctx context.Context) (all map[string]Rollout, at int64, err error) {
	entries, at, err := f.ReadAll(ctx, rolloutsAt)
	all = map[string]Rollout{}
	for _, entry := range entries {
		r, _ := readRollout(entry) // Rollout says of one that it is damaged
		all[r.Name] = r
	}
	return all, at, err
}

// Note writes down how a host fares with the version, unless another host has changed
// the rollout since it was read.
func (f *Fleet) Note(ctx context.Context, r Rollout, host string, try Try) (Rollout, error) {
	tries := maps.Clone(r.Tries)
	if tries == nil {
		tries = map[string]Try{}
	}
	try.Error = line.Short(try.Error, mostText)
	tries[host] = try
	r.Tries = tries
	return f.update(ctx, r)
}

// Release lets all hosts install the version, whatever became of the canaries.
func (f *Fleet) Release(ctx context.Context, r Rollout) (Rollout, error) {
	r.Released = true
	return f.update(ctx, r)
}

func (f *Fleet) update(ctx context.Context, r Rollout) (Rollout, error) {
	value, err := json.Marshal(r)
	if err == nil {
		err = f.Write(ctx, r.entry.Put(value))
	}
	if err != nil {
		return r, err
	}
	return f.Rollout(ctx, r.Name)
}

// published is the value of bundles/NAME.
type published struct {
	Version     string `json:"version"`
	Certificate string `json:"certificate"` // leaf and chain, PEM
	Sealed      string `json:"sealed"`      // of what the fleet alone may read: secrets
}

// secrets is what stands sealed beside a certificate.
type secrets struct {
	Key    string `json:"key"`    // PEM
	Made   string `json:"made"`   // the ID of the publication, and
	Newest string `json:"newest"` // that of the newest version, so that no older publication passes for a rollback
}

// Publication is what a host offers the others.
type Publication struct {
	Bundle *bundle.Bundle
	Newest *x509.Certificate // of the host, where Bundle is one to roll back to; else nil
	By     string
	At     time.Time
	Try    bool // this host tries it first
}

// Publish offers a bundle to all hosts, in the place of what was read.
func (f *Fleet) Publish(ctx context.Context, read Rollout, p Publication) (Rollout, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // it never fails
	next := Rollout{Name: read.Name, ID: hex.EncodeToString(id), Version: versionOf(p.Bundle.Leaf), By: p.By, At: p.At, Newest: versionOf(p.Bundle.Leaf), entry: read.entry}
	if p.Newest != nil {
		if next.Newest = versionOf(p.Newest); read.Known() && read.Newest.Newer(next.Newest) {
			next.Newest = read.Newest
		}
	}
	if p.Try {
		next.Tries = map[string]Try{p.By: {At: p.At, State: Trying}}
	}
	value, err := f.pack(next, p.Bundle)
	if err != nil {
		return read, err
	}
	at, err := f.Read(ctx, bundlesAt+read.Name)
	if err != nil {
		return read, err
	}
	rollout, err := json.Marshal(next)
	if err == nil {
		err = f.Write(ctx, read.entry.Put(rollout), at.Put(value))
	}
	if err != nil {
		return read, err
	}
	return f.Rollout(ctx, read.Name)
}

// Repair writes the bundle of a publication once more where what etcd holds cannot be used,
// and says whether it did.
func (f *Fleet) Repair(ctx context.Context, r Rollout, b *bundle.Bundle) (repaired bool, err error) {
	at, err := f.Read(ctx, bundlesAt+r.Name)
	if err != nil {
		return false, err
	}
	if _, err := f.unpack(r, at.Value); err == nil {
		return false, nil
	}
	value, err := f.pack(r, b)
	if err == nil {
		err = f.Write(ctx, r.entry.Stands(), at.Put(value))
	}
	return err == nil, err
}

// Newer says which of two versions was made later, as bundle.Newer does of leaves.
func (v Version) Newer(than Version) bool {
	if c := v.NotBefore.Compare(than.NotBefore); c != 0 {
		return c > 0
	}
	return v.NotAfter.After(than.NotAfter)
}

func (f *Fleet) pack(r Rollout, b *bundle.Bundle) ([]byte, error) {
	text, err := json.Marshal(secrets{Key: string(b.KeyPEM()), Made: r.ID, Newest: r.Newest.ID})
	if err != nil {
		return nil, err
	}
	sealed, err := f.Seal(bundlesAt+r.Name, text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(published{Version: r.Version.ID, Certificate: string(b.FullchainPEM()), Sealed: sealed})
}

// DamagedError is a published bundle that cannot be used.
type DamagedError struct {
	Name string
	err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the bundle of %s in etcd cannot be used: %v", e.Name, e.err)
}

func (e *DamagedError) Unwrap() error { return e.err }

var (
	errNoBundle  = errors.New("there is none")
	errNotJSON   = errors.New("it is not what dvagent writes")
	errOtherWord = errors.New("it is of another publication")
	errNotSound  = errors.New("it is no pair in order")
)

// Bundle reads what a rollout is about: sealed for this fleet, of this very publication, and
// in order by itself. Whether it may be served is for the caller to say. What cannot be
// used is a *DamagedError.
func (f *Fleet) Bundle(ctx context.Context, r Rollout) (*bundle.Bundle, error) {
	entry, err := f.Read(ctx, bundlesAt+r.Name)
	if err != nil {
		return nil, err
	}
	if _, err := f.identities(); err != nil { // which is no fault of the bundle
		return nil, err
	}
	b, err := f.unpack(r, entry.Value)
	if err != nil {
		return nil, &DamagedError{r.Name, err}
	}
	return b, nil
}

func (f *Fleet) unpack(r Rollout, value []byte) (*bundle.Bundle, error) {
	if len(value) == 0 {
		return nil, errNoBundle
	}
	var p published
	if json.Unmarshal(value, &p) != nil {
		return nil, errNotJSON
	}
	text, err := f.Open(bundlesAt+r.Name, p.Sealed)
	if err != nil {
		return nil, err
	}
	var s secrets
	if json.Unmarshal(text, &s) != nil {
		return nil, errNotJSON
	}
	b, err := bundle.Parse([]byte(p.Certificate), []byte(s.Key))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSound, err)
	}
	if s.Made != r.ID || s.Newest != r.Newest.ID || b.ID() != r.Version.ID {
		return nil, errOtherWord
	}
	return b, nil
}

// ErrCompacted says that etcd has forgotten what a watch was to begin with: read anew.
var ErrCompacted = errors.New("etcd has forgotten the changes since then")

// Watch tells of each rollout that is changed after a revision, until ctx ends or etcd
// does. It returns why it has ended.
func (f *Fleet) Watch(ctx context.Context, after int64, changed func(Rollout)) error {
	client, err := f.Client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for response := range client.Watch(ctx, f.Key(rolloutsAt), clientv3.WithPrefix(), clientv3.WithRev(after+1)) {
		if response.CompactRevision != 0 {
			return ErrCompacted
		}
		if err := response.Err(); err != nil {
			return f.failed(client, "watch etcd", err)
		}
		for _, event := range response.Events {
			key := strings.TrimPrefix(string(event.Kv.Key), f.settings.Prefix)
			r, _ := readRollout(Entry{key, event.Kv.Value, event.Kv.ModRevision}) // whoever looks finds out
			changed(r)
		}
	}
	return cmp.Or(ctx.Err(), error(f.failed(client, "watch etcd", context.Canceled)))
}
