package deploy

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dvagent/internal/bundle"
)

// Held returns the pair that is in the files of all these targets now, if nobody
// beside root and this process's user can have put it there: in plain files of
// theirs, in directories that nobody else can change. All files must agree; the
// error says what is missing, does not match or is another's. Dates and names are
// not checked.
func Held(targets ...Target) (*bundle.Bundle, error) { return heldBy(targets, readOwn) }

// Found is Held wherever the files lie, whoever could have put them there. A link
// is followed where package openat does.
func Found(targets ...Target) (*bundle.Bundle, error) { return heldBy(targets, readAny) }

func heldBy(targets []Target, read func(Target) (map[string]original, error)) (*bundle.Bundle, error) {
	var all []content
	for _, t := range targets {
		files, err := read(t)
		if err != nil {
			return nil, fmt.Errorf("read target: %w", err)
		}
		parts, err := decode(t, files)
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
	}
	return pair(all)
}

func readAny(t Target) (map[string]original, error) {
	dirs := newDirectories()
	defer dirs.close()
	files := make(map[string]original)
	var err error
	for _, path := range t.Paths() {
		if files[path], err = dirs.read(path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// readOwn reads the files of a target, which must be plain and nobody else's, and
// hold nothing that their next version would not.
func readOwn(t Target) (map[string]original, error) {
	files, err := readAny(t)
	if err != nil {
		return nil, err
	}
	for _, f := range formats {
		path := f.path(t)
		if path == "" {
			continue
		}
		o := files[path]
		if err := f.unlike(t, o.data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		switch {
		case o.link != "":
			return nil, fmt.Errorf("%s is a symlink", path)
		case o.others != nil:
			return nil, fmt.Errorf("%s: %w", path, o.others)
		}
	}
	return files, nil
}

// held is the pair in files of one target that have been read, by path.
func held(t Target, files map[string]original) (*bundle.Bundle, error) {
	parts, err := decode(t, files)
	if err != nil {
		return nil, err
	}
	return pair(parts)
}

// pair is the one that all parts are of.
func pair(parts []content) (*bundle.Bundle, error) {
	var pair *bundle.Bundle
	for _, p := range parts {
		if p.certificates == nil {
			continue
		}
		b, err := bundle.Parse(p.certificates, keyFor(p, parts))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		if pair != nil && !pair.Leaf.Equal(b.Leaf) {
			return nil, fmt.Errorf("%s holds another certificate than the files beside it", p.path)
		}
		if pair == nil || len(b.Chain) > len(pair.Chain) {
			pair = b
		}
	}
	if pair == nil {
		return nil, errors.New("the target names no file with a certificate")
	}
	for _, p := range parts {
		if p.certificates == nil && p.key != nil && !holdsKey(p.key, pair) {
			return nil, fmt.Errorf("%s holds another key than the files beside it", p.path)
		}
	}
	return pair, nil
}

func holdsKey(data []byte, pair *bundle.Bundle) bool {
	return slices.ContainsFunc(bundle.PublicKeys(data), func(key crypto.PublicKey) bool {
		return bundle.SameKey(pair.Leaf.PublicKey, key)
	})
}

// content is the content of one file of a target, as PEM; certificates are
// followed by those of the target's chain.
type content struct {
	path              string
	certificates, key []byte
}

func decode(t Target, files map[string]original) ([]content, error) {
	var parts []content
	for _, f := range formats {
		path := f.path(t)
		if path == "" {
			continue
		}
		if files[path].data == nil {
			return nil, fmt.Errorf("%s is missing", path)
		}
		certificates, key, err := f.parts(t, files[path].data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if certificates != nil {
			certificates = slices.Concat(certificates, files[t.Chain].data)
		}
		parts = append(parts, content{path, certificates, key})
	}
	return parts, nil
}

// keyFor is the key in the same file as p, or else the first one.
func keyFor(p content, parts []content) []byte {
	if p.key != nil {
		return p.key
	}
	for _, other := range parts {
		if other.key != nil {
			return other.key
		}
	}
	return nil
}

// Drift is how a target differs from what it should be.
type Drift struct {
	Files    []string   // "PATH is missing" and the like, for each file that differs
	Served   []Listener // what each of Target.Probe shows, in that order
	Warnings []string   // what may trouble clients although it is served
	Shown    bool       // there are probes, and all show the leaf
	InPlace  bool       // no file differs, and all probes show the leaf
}

// Inspect compares a target's files, and the leaf that it serves, with b. It
// changes nothing, and makes one handshake with each listener.
func Inspect(ctx context.Context, t Target, b *bundle.Bundle) Drift {
	drift := Drift{Served: probeTarget(ctx, t, b, once)}
	drift.Warnings = warnings(drift.Served, b)
	drift.compare(ctx, t, b)
	shown := len(failing(drift.Served, b)) == 0
	drift.Shown = shown && len(drift.Served) > 0
	drift.InPlace = shown && len(drift.Files) == 0
	return drift
}

// InspectAll is Inspect for several targets of one bundle, side by side.
func InspectAll(ctx context.Context, targets []Target, b *bundle.Bundle) []Drift {
	drifts := make([]Drift, len(targets))
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() { drifts[i] = Inspect(ctx, t, b) })
	}
	group.Wait()
	return drifts
}

// compare looks at the files.
func (d *Drift) compare(ctx context.Context, t Target, b *bundle.Bundle) {
	files, err := t.files(ctx)
	if err != nil {
		d.Files = append(d.Files, err.Error())
		return
	}
	dirs := newDirectories()
	defer dirs.close()
	for _, f := range files {
		o, err := dirs.read(f.path)
		if err != nil {
			d.Files = append(d.Files, err.Error())
		} else if why := f.differs(o, t, b); why != "" {
			d.Files = append(d.Files, f.path+" "+why)
		} else if f.open(o.is) {
			d.Warnings = append(d.Warnings, f.path+" "+f.shortcoming(o.is))
		}
	}
}

// valid says whether the files contain a pair that has not expired by now.
func valid(t Target, files map[string]original, now time.Time) bool {
	b, err := held(t, files)
	return err == nil && now.Before(b.Leaf.NotAfter)
}
