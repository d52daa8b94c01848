package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// fault 175
func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	for _, umask := range []int{0, 0o022} {
		t.Run(fmt.Sprintf("with the umask %03o", umask), func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(umask))
			path := filepath.Join(t.TempDir(), "service.sock")
			listener, err := listen(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Errorf("mode %v, error %v", info.Mode(), err)
			}
		})
	}
}
