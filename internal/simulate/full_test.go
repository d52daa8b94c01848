package simulate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// diskSize is that of a host's disk, in bytes: far more than an agent wants.
const diskSize = 4 << 20

// mount gives the host a disk of its own, which can be full. Who may not mount has hosts
// whose disks are never full.
func (h *host) mount() {
	if unix.Mount("dvagent-simulated", h.dir, "tmpfs", 0, fmt.Sprintf("mode=0700,size=%d", diskSize)) != nil {
		return
	}
	h.mounted = true
	h.world.t.Cleanup(func() {
		if err := unix.Unmount(h.dir, unix.MNT_DETACH); err != nil {
			h.world.t.Error(err)
		}
	})
}

// ballast is a file of somebody else's, which takes all room that is left.
func (h *host) ballast() string { return filepath.Join(h.dir, "ballast") }

func (h *host) fill() {
	file, err := os.OpenFile(h.ballast(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	for page := make([]byte, 4096); err == nil; {
		_, err = file.Write(page)
	}
	file.Close()
	if !errors.Is(err, unix.ENOSPC) {
		h.world.t.Error(err)
	}
}

func (h *host) isFull() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.full
}

// withRoom does on the disk what is not the agent's doing.
func (h *host) withRoom(do func() error) error {
	if h.isFull() {
		_ = os.Remove(h.ballast())
		defer h.fill()
	}
	return do()
}

// fullDisk has somebody take all room on the host's disk. A service that ends meanwhile is
// started again.
func (w *world) fullDisk(h *host) {
	if !h.mounted || h.isFull() {
		return
	}
	h.set(func() { h.full = true })
	h.fill()
	w.begin(h, w.between(time.Minute, 6*day), "a full disk", func() {
		h.set(func() { h.full = false })
		if err := os.Remove(h.ballast()); err != nil {
			w.t.Error(err)
		}
		if p := h.running(); p != nil && p.hasEnded() && !p.isDead() {
			h.end()
		}
		h.start()
	})
}
