package bundletest

import (
	"os/exec"
	"testing"
)

// OwnModes is a directory on a file system that keeps modes and owners of its own:
// each file has the mode 0755 and belongs to nobody, whatever it is given.
func OwnModes(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("bindfs"); err != nil {
		t.Skip("no bindfs")
	}
	beneath, dir := t.TempDir(), t.TempDir()
	mount := exec.Command("bindfs", "--chmod-ignore", "--chown-ignore", "--chgrp-ignore", "--perms=0755", "--force-user=nobody", beneath, dir)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Skipf("bindfs: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("fusermount", "-u", "-z", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return dir
}
