package command

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// signalDescendants signals each process group below root once. It signals
// groups because the kernel lets no member fork while it signals one.
func signalDescendants(root int, sig syscall.Signal) {
	for group := range groupsBelow(root) {
		_ = syscall.Kill(-group, sig) // it may be gone
	}
}

// groupsBelow is the set of the process groups of root's descendants, without
// that of this process. Descendants that end or lose their parent while it looks
// may be missed.
func groupsBelow(root int) map[int]bool {
	type entry struct{ pid, group int }
	children := map[int][]entry{} // by parent
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if parent, group, ok := kin(path); ok {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			children[parent] = append(children[parent], entry{pid, group})
		}
	}
	groups := map[int]bool{}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			groups[child.group] = true
			queue = append(queue, child.pid)
		}
	}
	delete(groups, syscall.Getpgrp())
	return groups
}

// kin reads the parent and the process group from /proc/PID/stat: "PID (NAME)
// STATE PARENT GROUP …", where NAME may contain anything.
func kin(path string) (parent, group int, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false // it has ended
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 3 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, false
	}
	group, err = strconv.Atoi(fields[2])
	return parent, group, err == nil && group > 1
}
