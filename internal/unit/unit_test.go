package unit

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestAUnitIsReadAsSystemdReadsIt(t *testing.T) {
	const shipped = "[Unit]\nUser=nobody\n[Service]\nExecStart=/usr/bin/dvagent run\nUser=dvagent\nStateDirectory=dvagent more\n" +
		"LoadCredential=secret:/etc/dvagent/secret\nLoadCredential=token:/etc/dvagent/token\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Unit
		found bool
	}{
		{"there is none", nil, Unit{}, false},
		{"the package's", map[string]string{"lib/dvagent.service": shipped},
			Unit{Name: "dvagent.service", User: "dvagent", StateDirectory: "/var/lib/dvagent", Credentials: map[string]string{"secret": "/etc/dvagent/secret", "token": "/etc/dvagent/token"}}, true},
		{"without a user it is root's", map[string]string{"lib/dvagent.service": "[Service]\nExecStart=/bin/true\n"},
			Unit{Name: "dvagent.service", User: "root", StateDirectory: "", Credentials: map[string]string{}}, true},
		{"the administrator's comes first", map[string]string{"lib/dvagent.service": shipped, "etc/dvagent.service": "[Service]\nUser=tls\n"},
			Unit{Name: "dvagent.service", User: "tls", StateDirectory: "", Credentials: map[string]string{}}, true},
		{"drop-ins change it in the order of their names",
			map[string]string{"lib/dvagent.service": shipped, "etc/dvagent.service.d/20.conf": "[Service]\nUser=second\n",
				"lib/dvagent.service.d/10.conf": "[Service]\nUser=first\nLoadCredential=\nLoadCredential=secret:/elsewhere\n", "etc/dvagent.service.d/30.bak": "[Service]\nUser=no\n"},
			Unit{Name: "dvagent.service", User: "second", StateDirectory: "/var/lib/dvagent", Credentials: map[string]string{"secret": "/elsewhere"}}, true},
		{"a drop-in of the administrator's replaces one of its name",
			map[string]string{"lib/dvagent.service": shipped, "etc/dvagent.service.d/a.conf": "[Service]\n", "lib/dvagent.service.d/a.conf": "[Service]\nUser=root\n"},
			Unit{Name: "dvagent.service", User: "dvagent", StateDirectory: "/var/lib/dvagent", Credentials: map[string]string{"secret": "/etc/dvagent/secret", "token": "/etc/dvagent/token"}}, true},
		{"one that is masked is none", map[string]string{"lib/dvagent.service": shipped, "etc/dvagent.service": "->/dev/null"}, Unit{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				put(t, filepath.Join(dir, name), text)
			}
			t.Setenv("SYSTEMD_UNIT_PATH", filepath.Join(dir, "etc")+":"+filepath.Join(dir, "lib"))
			got, found := Find("dvagent.service")
			if found != tt.found || got.Name != tt.want.Name || got.User != tt.want.User || got.StateDirectory != tt.want.StateDirectory ||
				!maps.Equal(got.Credentials, tt.want.Credentials) {
				t.Errorf("%+v, %v", got, found)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	err := os.WriteFile(path, []byte(text), 0o644)
	if text == "->/dev/null" {
		os.Remove(path)
		err = os.Symlink("/dev/null", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAUnitSaysWhereItsServiceCanWrite(t *testing.T) {
	const strict = "[Service]\nStateDirectory=dvagent\nProtectSystem=strict\nReadWritePaths=-/etc/nginx/tls\nReadWritePaths=+/srv/tls/ /srv/b\n"
	for _, tt := range []struct {
		name, text, dir string
		want            bool
	}{
		{"a directory that it names", strict, "/etc/nginx/tls", true},
		{"one below", strict, "/etc/nginx/tls/www", true},
		{"the second of a line", strict, "/srv/b", true},
		{"one whose name begins alike", strict, "/etc/nginx/tls2", false},
		{"its state", strict, "/var/lib/dvagent/certificates", true},
		{"another one", strict, "/etc/ssl", false},
		{"one that was taken back", strict + "ReadWritePaths=\nReadWritePaths=/srv/c\n", "/srv/b", false},
		{"any where nothing is protected", "[Service]\nProtectSystem=full\n", "/opt", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "dvagent.service"), tt.text)
			t.Setenv("SYSTEMD_UNIT_PATH", dir)
			if u, _ := Find("dvagent.service"); u.CanWrite(tt.dir) != tt.want {
				t.Errorf("%+v: %v", u, !tt.want)
			}
		})
	}
}
