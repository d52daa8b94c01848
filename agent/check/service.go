package check

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/asroot"
	"dvagent/internal/command"
	"dvagent/internal/hint"
	"dvagent/internal/unit"
)

// checkSecrets reads each secret that is in a file or in a variable, whose service
// may have what this process has not.
func checkSecrets(cfg *config.Config) []Finding {
	var findings []Finding
	secrets := cfg.Secrets()
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		s := secrets[key]
		finding := Finding{Subject: key, OK: s.File + " can be read"}
		text, err := s.Resolve()
		switch {
		case s.Env != "" && err != nil:
			finding = Finding{Subject: key, Err: hint.Add(err, "let the service have it, as by Environment= or EnvironmentFile= of its unit, and this shell"), Warning: true}
		case s.File == "":
			continue
		case err != nil:
			finding = Finding{Subject: key, Err: err}
		case strings.Contains(key, ".access_key_") && strings.ContainsAny(text, " \t\r\n,"):
			finding = Finding{Subject: key, Err: hint.Add(fmt.Errorf("%s holds more than one word", s), "put the one text there that is asked for, and nothing else of the console's file")}
		}
		findings = append(findings, finding)
	}
	return distinct(findings)
}

// sandbox is what a unit lets the service write.
type sandbox struct{ units []unit.Unit }

// sandboxOf is that of the units that run as this user.
func sandboxOf(uid int) sandbox {
	return sandbox{slices.DeleteFunc(unit.All(), func(u unit.Unit) bool { return u.UID() != uid })}
}

// madeByUnit says that a unit of this user's has the directory made, or root before
// it becomes that user.
func madeByUnit(dir state.Dir) bool {
	return slices.ContainsFunc(unit.All(), func(u unit.Unit) bool {
		return u.StateDirectory == filepath.Clean(string(dir)) && u.UID() == os.Geteuid()
	})
}

// check says which files lie where a unit's service sees the disk read-only.
func (s sandbox) check(name string, paths []string) []Finding {
	var findings []Finding
	for _, u := range s.units {
		for _, path := range paths {
			if dir := filepath.Dir(path); !u.CanWrite(dir) {
				findings = append(findings, Finding{Subject: name, Err: hint.Add(
					fmt.Errorf("%s cannot be written by %s, which sees the disk read-only there", path, u.Name),
					fmt.Sprintf("systemctl edit %s, and below [Service] ReadWritePaths=-%s", strings.TrimSuffix(u.Name, ".service"), dir))})
			}
		}
	}
	return findings
}

// tryChecks runs the check of each deployment once, as a deployment would. Where
// its files are still to come it may fail, for it then names what is not there.
func (c *Check) tryChecks(ctx context.Context) []Finding {
	var findings []Finding
	tried := map[string]bool{}
	for _, certificate := range c.host.Config.Certificates {
		for _, target := range certificate.Deploy {
			key := strings.Join(target.Check, "\x00")
			if tried[key] || len(target.Check) == 0 {
				continue
			}
			tried[key] = true
			if _, err := command.LookPath(target.Check); err != nil {
				continue // which is said of the command
			}
			findings = append(findings, tryCheck(ctx, certificate.Name, target))
		}
	}
	return findings
}

func tryCheck(ctx context.Context, name string, target deploy.Target) Finding {
	said := strings.Join(target.Check, " ")
	result := asroot.Run(ctx, command.Command{Argv: target.Check, Env: command.BaseEnv(), Timeout: target.Timeout})
	if result.Err == nil {
		return Finding{Subject: name, OK: said + " succeeds"}
	}
	err := fmt.Errorf("the check %s: %w", said, result.Err)
	for _, path := range target.Paths() {
		if _, missing := os.Lstat(path); os.IsNotExist(missing) {
			return Finding{Subject: name, Warning: true, Err: hint.Add(err, "it may want the files that are to be installed")}
		}
	}
	return Finding{Subject: name, Err: err}
}

// checkReload says that a reload by systemctl wants root, who is not asked for it.
func checkReload(ctx context.Context, name string, argv []string) []Finding {
	if os.Geteuid() == 0 || len(argv) == 0 || filepath.Base(argv[0]) != "systemctl" || asroot.Listed(ctx, argv) {
		return nil
	}
	return []Finding{{Subject: name, Warning: true, Err: hint.Add(
		fmt.Errorf("the reload %s is root's to do, and dvagent-root.socket does not run it for this user", strings.Join(argv, " ")),
		"systemctl start dvagent-root.socket; its commands are listed in dvagent-root@.service")}}
}
