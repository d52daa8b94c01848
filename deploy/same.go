package deploy

import (
	"bytes"
	"context"
	"slices"

	"dvagent/internal/bundle"
)

// Same says that the target's files are a version to the letter, with the mode and the
// owner that they should have, and that there is nothing else to be looked at or
// warned of. Where it answers false, Inspect tells what differs, if anything does: no
// key store is compared to the letter, nor a key in another format.
func Same(ctx context.Context, t Target, version bundle.Text) bool {
	files, err := t.files(ctx)
	if err != nil || len(t.Probe) > 0 || t.KeyFormat != "" {
		return false
	}
	dirs := newDirectories()
	defer dirs.close()
	for _, f := range files {
		o, err := dirs.read(f.path)
		same := err == nil && f.text != nil && o.data != nil && bytes.Equal(o.data, f.text(version))
		if !same || f.lacks(o.is) != "" {
			return false
		}
	}
	return true
}

func certText(t bundle.Text) []byte      { return t.Cert }
func chainText(t bundle.Text) []byte     { return t.Chain }
func keyText(t bundle.Text) []byte       { return t.Key }
func fullchainText(t bundle.Text) []byte { return slices.Concat(t.Cert, t.Chain) }
func combinedText(t bundle.Text) []byte  { return slices.Concat(t.Key, t.Cert, t.Chain) }
