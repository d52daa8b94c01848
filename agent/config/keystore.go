package config

import (
	"errors"
	"fmt"
	"regexp"
	"sync"

	"dvagent/deploy"
	"dvagent/internal/secret"
)

// buildKeyStore fills in what a pfx or jks target has beside its path: a password
// that its readers can use, and an alias.
func buildKeyStore(table deployTable, target *deploy.Target) error {
	if err := checkAlias(table); err != nil {
		return at("jks_alias", err)
	}
	target.JKSAlias = table.JKSAlias
	if table.PFX == "" && table.JKS == "" {
		if table.Password+table.PasswordFile+table.PasswordEnv != "" {
			return at("password", errors.New("is of no use without pfx or jks"))
		}
		return nil
	}
	const key = "password"
	password, err := buildSecret(key, table.Password, table.PasswordFile, table.PasswordEnv)
	if err != nil {
		return err
	}
	if password.IsZero() {
		return at(key, errors.New("is missing: a pfx or jks file needs a password"))
	}
	target.Password = password
	if err := target.CheckPassword(); err != nil && !errors.Is(err, secret.ErrNotHanded) {
		return at(key, err)
	}
	return nil
}

// aliasForm is what Java compares without regard to case, in every language.
var aliasForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[!-~]([ -~]{0,126}[!-~])?$`) })

func checkAlias(table deployTable) error {
	switch {
	case table.JKSAlias == "":
		return nil
	case table.JKS == "":
		return errors.New("is of no use without jks: a pfx of dvagent's has no alias")
	case !aliasForm().MatchString(table.JKSAlias):
		return fmt.Errorf("%q is not made of letters, digits and signs of ASCII, 128 at most", table.JKSAlias)
	}
	return nil
}
