package sandbox

import (
	"net/http"
	"sync"
	"time"
)

// keyring holds the account's access key, the sessions of AssumeRole, and the
// nonces that were used.
type keyring struct {
	mu       sync.Mutex
	id       string // the account's own
	keys     map[string]accessKey
	nonces   map[string]time.Time
	lastTidy time.Time
}

type accessKey struct {
	secret  string
	token   string    // of a session
	expires time.Time // zero: never
}

var errUnknownKey = refusal(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")

func newKeyring(id, secret string) *keyring {
	k := &keyring{keys: map[string]accessKey{}, nonces: map[string]time.Time{}}
	k.replace(id, secret)
	return k
}

// replace makes id the account's key; sessions stay.
func (k *keyring) replace(id, secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, k.id)
	k.id, k.keys[id] = id, accessKey{secret: secret}
}

func (k *keyring) main() (id, secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id, k.keys[k.id].secret
}

// find is the secret of an access key, whose token must go with it.
func (k *keyring) find(id, token string, now time.Time) (secret string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[id]
	switch {
	case !ok || token == "" && key.token != "":
		return "", errUnknownKey
	case token != key.token:
		return "", refusal(http.StatusBadRequest, "InvalidSecurityToken.MismatchWithAccessKey",
			"Specified SecurityToken mismatch with the AccessKey.")
	case !key.expires.IsZero() && now.After(key.expires):
		return "", errTokenExpired
	}
	return key.secret, nil
}

var errTokenExpired = refusal(http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

// use refuses a nonce that the key was used with before.
func (k *keyring) use(id, nonce string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.lastTidy) > clockTolerance {
		k.lastTidy = now
		for name, used := range k.nonces {
			if now.Sub(used) > 2*clockTolerance {
				delete(k.nonces, name)
			}
		}
	}
	name := id + " " + nonce
	if _, used := k.nonces[name]; used {
		return errNonceUsed
	}
	k.nonces[name] = now
	return nil
}

var errNonceUsed = refusal(http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already.")

// operations are those of STS 2015-04-01 that there are here.
func (k *keyring) operations() operations { return operations{"AssumeRole": k.assumeRole} }

func (k *keyring) assumeRole(c *call) (object, error) {
	if err := c.params.require("RoleArn", "RoleSessionName"); err != nil {
		return nil, err
	}
	seconds, err := c.params.integer("DurationSeconds", 3600, 900, 43200)
	if err != nil {
		return nil, err
	}
	id := "STS." + randomText(24, alphanumeric)
	key := accessKey{
		secret: randomText(44, alphanumeric), token: "CAIS" + randomText(96, alphanumeric),
		expires: c.now.Add(time.Duration(seconds) * time.Second),
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[id] = key
	arn, session := c.params["RoleArn"], c.params["RoleSessionName"]
	return object{
		"Credentials": object{
			"AccessKeyId": id, "AccessKeySecret": key.secret, "SecurityToken": key.token,
			"Expiration": key.expires.UTC().Format(time.RFC3339),
		},
		"AssumedRoleUser": object{"Arn": arn + "/" + session, "AssumedRoleId": randomText(18, digits) + ":" + session},
	}, nil
}
