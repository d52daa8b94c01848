package aliyun

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"dvagent/internal/secret"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// Credentials say whose key signs the requests: a key given here; else, with
// RAMRole, the role of the ECS instance we run on; else the SDK's own chain
// (ALIBABA_CLOUD_… variables, OIDC, the CLI's and SDK's profiles, the instance's
// role). With RoleARN that key asks STS for a session of the role.
//
// Secrets are read anew for each request, so that a rotated file counts at once.
type Credentials struct {
	AccessKeyID, AccessKeySecret, SecurityToken secret.Secret
	RAMRole, RoleARN                            string
}

func (c Credentials) check() error {
	for _, part := range []secret.Secret{c.AccessKeyID, c.AccessKeySecret, c.SecurityToken} {
		if err := part.Check(); err != nil {
			return err
		}
	}
	given := !c.AccessKeyID.IsZero()
	switch {
	case given == c.AccessKeySecret.IsZero():
		return errors.New("an access key needs both its id and its secret")
	case !given && !c.SecurityToken.IsZero():
		return errors.New("a security token needs the access key that it belongs to")
	case given && c.RAMRole != "":
		return errors.New("give an access key or a RAM role, not both")
	}
	return nil
}

// key is what one request is signed with.
type key struct{ id, secret, token string }

// keyring finds the account's key. The SDK's providers renew their sessions
// themselves, but are not safe for concurrent use and know no context.
type keyring struct {
	config   Credentials
	turn     chan struct{} // holds a value while provider is in use
	mu       sync.Mutex
	provider credentials.CredentialsProvider // nil until it is needed
}

func newKeyring(config Credentials) *keyring {
	return &keyring{config: config, turn: make(chan struct{}, 1)}
}

func (k *keyring) key(ctx context.Context) (key, error) {
	if !k.config.AccessKeyID.IsZero() {
		return k.config.read()
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return key{}, ctx.Err()
	}
	type result struct {
		key key
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-k.turn }()
		found, err := k.provide()
		done <- result{found, err}
	}()
	select {
	case r := <-done:
		return r.key, r.err
	case <-ctx.Done():
		return key{}, ctx.Err()
	}
}

func (c Credentials) read() (found key, err error) {
	for _, part := range []struct {
		into *string
		from secret.Secret
		name string
	}{
		{&found.id, c.AccessKeyID, "access key id"},
		{&found.secret, c.AccessKeySecret, "access key secret"},
		{&found.token, c.SecurityToken, "security token"},
	} {
		if part.from.IsZero() {
			continue
		}
		if *part.into, err = part.from.Resolve(); err != nil {
			return key{}, fmt.Errorf("read the %s: %w", part.name, err)
		}
	}
	return found, nil
}

// provide asks the SDK. A provider that failed is dropped: the chain would
// stay with the last one that it tried.
func (k *keyring) provide() (found key, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("the SDK gave up: %v", thrown)
		}
		if err != nil {
			k.forget()
		}
	}()
	given, err := k.current().GetCredentials()
	if err != nil {
		return key{}, err
	}
	return key{given.AccessKeyId, given.AccessKeySecret, given.SecurityToken}, nil
}

func (k *keyring) current() credentials.CredentialsProvider {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.provider == nil && k.config.RAMRole != "" {
		k.provider = credentials.NewECSRAMRoleCredentialsProvider(k.config.RAMRole)
	} else if k.provider == nil {
		k.provider = credentials.NewDefaultCredentialsProvider()
	}
	return k.provider
}

// forget makes the next key come from the source again.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.provider = nil
}

// key is the key to sign with now: the account's, or that of the role's session.
func (c *Client) key(ctx context.Context) (key, *Error) {
	if c.session.roleARN != "" {
		return c.session.key(ctx, c.assumeRole)
	}
	return c.ownKey(ctx)
}

func (c *Client) ownKey(ctx context.Context) (key, *Error) {
	found, err := c.keys.key(ctx)
	if err == nil {
		return found, nil
	}
	e := local("", err)
	if ctx.Err() == nil {
		e.Err = errors.New(redact(err.Error(), nil))
		e.Hint = "configure access_key_id and access_key_secret, a RAM role, or the variables of Alibaba's SDK"
	}
	return key{}, e
}

const sessionLength = time.Hour

// assumeRole is STS's AssumeRole: a key for the role, and when it expires.
func (c *Client) assumeRole(ctx context.Context) (key, time.Time, *Error) {
	own, err := c.ownKey(ctx)
	if err != nil {
		return key{}, time.Time{}, err
	}
	request := &requests.RpcRequest{}
	request.InitWithApiInfo("Sts", "2015-04-01", "AssumeRole", "sts", "openAPI")
	request.FormParams = map[string]string{
		"RoleArn":         c.session.roleARN,
		"RoleSessionName": "dvagent",
		"DurationSeconds": fmt.Sprint(int(sessionLength.Seconds())),
	}
	answer, err := c.send(ctx, &c.sts, request, own, []string{"Credentials"})
	if err != nil {
		return key{}, time.Time{}, err
	}
	given := answer.inner("Credentials")
	found := key{given.text("AccessKeyId"), given.text("AccessKeySecret"), given.text("SecurityToken")}
	expires, parseErr := time.Parse(time.RFC3339, given.text("Expiration"))
	if found.id == "" || found.secret == "" || found.token == "" || parseErr != nil {
		return key{}, time.Time{}, &Error{Operation: "AssumeRole", Kind: Malformed, Status: 200,
			RequestID: answer.text("RequestId"), Err: errors.New("the answer has no whole session")}
	}
	return found, expires, nil
}
