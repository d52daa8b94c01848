package deploy_test

import (
	"os"
	"syscall"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

// fault 145
func TestAnOwnerAndAGroupOfADirectoryAreGiven(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\n[ \"$*\" = 'passwd alice@corp' ] && echo 'alice@corp:*:70001:70002::/:'\n[ \"$*\" = 'group web servers' ] && echo 'web servers:*:70002:'\nexit 0\n"
	if err := os.WriteFile(dir+"/getent", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	target := deploy.Target{Key: dir + "/key.pem", Owner: "alice@corp", Group: "web servers"}
	_, err := deploy.Rehearse(t.Context(), target, deploy.Ours)
	checkError(t, err, "")
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	checkError(t, install(t, deploy.Job{Target: target, Bundle: b}).Err, "")
	info, err := os.Stat(target.Key)
	if err != nil {
		t.Fatal(err)
	}
	if found := info.Sys().(*syscall.Stat_t); found.Uid != 70001 || found.Gid != 70002 {
		t.Errorf("the key belongs to %d:%d", found.Uid, found.Gid)
	}
}
