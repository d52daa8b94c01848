package bundle

import (
	"fmt"

	"dvagent/internal/atomicfile"
)

// Write puts the files of a version into dir, which is made when it is
// missing. Files of these names are replaced.
func (b *Bundle) Write(dir string) error {
	if err := atomicfile.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	for _, f := range b.files(dir) {
		if err := atomicfile.Write(f); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	return nil
}
