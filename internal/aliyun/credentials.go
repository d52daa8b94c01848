package aliyun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/internal/secret"
)

// Credentials say whose key signs the requests: a key given here; else, with
// RAMRole, the role of the ECS instance we run on; else whatever the chain finds
// where Alibaba's tools keep keys (see sources). With RoleARN that key asks STS
// for a session of the role.
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

// grant is a key and when it expires; zero: it is good until it is changed where
// it stands.
type grant struct {
	key
	until time.Time
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

// key is the key to sign with now: the account's, or that of the role's session.
func (c *Client) key(ctx context.Context) (key, *Error) {
	arn := c.credentials.RoleARN
	if arn == "" {
		return c.ownKey(ctx)
	}
	return c.assumed.key(ctx, func(ctx context.Context) (grant, *Error) {
		own, err := c.ownKey(ctx)
		if err != nil {
			return grant{}, err
		}
		return c.assume(ctx, role{arn: arn, session: "dvagent"}, own)
	})
}

// ownKey is the account's, before it assumes a role.
func (c *Client) ownKey(ctx context.Context) (key, *Error) {
	if c.credentials.AccessKeyID.IsZero() {
		return c.found.key(ctx, c.find)
	}
	found, err := c.credentials.read()
	if err != nil {
		return key{}, keyless(err)
	}
	return found, nil
}

func keyless(err error) *Error {
	e := local("", err)
	e.Hint = "configure access_key_id and access_key_secret, a RAM role, or the variables of Alibaba's SDK"
	return e
}
