package users_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"dvagent/internal/command"
	"dvagent/internal/hint"
	"dvagent/internal/users"
)

func TestMain(m *testing.M) {
	command.Supervise()
	m.Run()
}

// getent puts a program of that name before all others. It notes what it is asked.
func getent(t *testing.T, script string) (asked func() string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/getent", fmt.Appendf(nil, "#!/bin/sh\necho \"$@\" >>%s/asked\n%s\n", dir, script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		data, _ := os.ReadFile(dir + "/asked")
		return string(data)
	}
}

// fault 145
func TestAUserOfADirectoryIsFoundByGetent(t *testing.T) {
	const directory = `case "$1 $2" in
"passwd alice@example.com") echo "alice@example.com:*:1234500001:1234500002:Alice:/home/alice:/bin/sh" ;;
"group domain users") echo "note: the directory is slow" >&2; echo "domain users:*:1234500002:" ;;
"passwd odd") echo "odd" ;;
"passwd large") echo "large:*:4294967295:1::/:" ;;
"passwd broken") echo "cannot reach the directory" >&2; exit 1 ;;
*) exit 2 ;;
esac`
	for _, tt := range []struct {
		name, who string
		group     bool
		want      int
		err, ask  string
	}{
		{"a user that /etc/passwd has", "root", false, 0, "", ""},
		{"a group that /etc/group has", "root", true, 0, "", ""},
		{"a number", "1234567", false, 1234567, "", ""},
		{"a user of a directory", "alice@example.com", false, 1234500001, "", "passwd alice@example.com\n"},
		{"a group of a directory, with a blank", "domain users", true, 1234500002, "", "group domain users\n"},
		{"a user that there is not", "nobody-here", false, 0, `"nobody-here" is unknown`, "passwd nobody-here\n"},
		{"a group that is a user alone", "alice@example.com", true, 0, "is unknown", "group alice@example.com\n"},
		{"an answer that is none", "odd", false, 0, "nothing that can be read", "passwd odd\n"},
		{"a number that no user has", "large", false, 0, "nothing that can be read", "passwd large\n"},
		{"a directory that is away", "broken", false, 0, `exit status 1 ("cannot reach the directory")`, "passwd broken\n"},
		{"an option", "--service=files", false, 0, "is not the name", ""},
		{"two fields", "root:x", false, 0, "is not the name", ""},
		{"two lines", "root\nroot", true, 0, "is not the name", ""},
		{"nothing", "", true, 0, "is not the name", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := getent(t, directory)
			find := users.UID
			if tt.group {
				find = users.GID
			}
			for range 2 { // the second time, it is remembered
				number, err := find(t.Context(), tt.who)
				if tt.err == "" && (err != nil || number != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("%d, error %v, want %d, %q", number, err, tt.want, tt.err)
				}
				if err != nil && tt.ask != "" && !strings.HasPrefix(hint.Of(err), "give the number") {
					t.Errorf("hint %q", hint.Of(err))
				}
			}
			if asked() != tt.ask {
				t.Errorf("getent was asked %q, want %q", asked(), tt.ask)
			}
		})
	}
}

// fault 145
func TestWhereGetentCannotRunTheAdviceIsToGiveTheNumber(t *testing.T) {
	getent(t, "")
	program := strings.Split(os.Getenv("PATH"), ":")[0] + "/getent"
	if err := os.WriteFile(program, []byte("#!/no/such/shell\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := users.UID(t.Context(), "without-getent")
	if err == nil || !strings.Contains(err.Error(), "cannot be asked") || !strings.HasPrefix(hint.Of(err), "give the number") {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}
