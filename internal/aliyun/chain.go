package aliyun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"dvagent/internal/openat"
	"dvagent/internal/secret"
)

// source is one place where a key may be. Its errors are our own words: what
// stands in a file or an answer there may be a secret.
type source struct {
	name string
	find func(context.Context) (grant, error)
}

// find takes the key of the first source that has one. The error says of each
// why it has none.
func (c *Client) find(ctx context.Context) (grant, *Error) {
	var reasons []string
	for _, source := range c.sources() {
		found, err := source.find(ctx)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return grant{}, local("", ctx.Err())
		}
		reasons = append(reasons, source.name+": "+err.Error())
	}
	return grant{}, keyless(fmt.Errorf("no access key: %s", strings.Join(reasons, "; ")))
}

// sources are those of Alibaba's SDK, in its order, whose own errors and output
// show what they read.
func (c *Client) sources() []source {
	instance := source{"metadata service", func(ctx context.Context) (grant, error) {
		return c.instanceKey(ctx, c.credentials.RAMRole)
	}}
	if c.credentials.RAMRole != "" {
		return []source{instance}
	}
	sources := []source{{"environment", func(context.Context) (grant, error) { return variables() }}}
	if os.Getenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE") != "" {
		sources = append(sources, source{"OIDC", func(ctx context.Context) (grant, error) {
			return c.assumeByToken(ctx, profile{}.role(), "", "")
		}})
	}
	sources = append(sources, source{"~/.aliyun/config.json", c.keyOfCLI})
	name, file := "~/.alibabacloud/credentials", os.Getenv("ALIBABA_CLOUD_CREDENTIALS_FILE")
	if file != "" {
		name = "file of ALIBABA_CLOUD_CREDENTIALS_FILE"
	}
	sources = append(sources, source{name, func(ctx context.Context) (grant, error) { return c.keyOfINI(ctx, file) }}, instance)
	if uri := os.Getenv("ALIBABA_CLOUD_CREDENTIALS_URI"); uri != "" {
		sources = append(sources, source{"credentials URI", func(ctx context.Context) (grant, error) { return c.keyAt(ctx, uri) }})
	}
	return sources
}

func variables() (found grant, err error) {
	if found.id, err = (secret.Secret{Env: "ALIBABA_CLOUD_ACCESS_KEY_ID"}).Resolve(); err != nil {
		return grant{}, errors.New("ALIBABA_CLOUD_ACCESS_KEY_ID is not set")
	}
	if found.secret, err = (secret.Secret{Env: "ALIBABA_CLOUD_ACCESS_KEY_SECRET"}).Resolve(); err != nil {
		return grant{}, errors.New("ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set")
	}
	found.token, _ = secret.Secret{Env: "ALIBABA_CLOUD_SECURITY_TOKEN"}.Resolve() // few keys have one
	return found, nil
}

// readHome reads a file below the home directory.
func readHome(path string) ([]byte, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, errors.New("there is no home directory")
	}
	return readSource(filepath.Join(home, path))
}

// maxSource is how long a file with credentials may be.
const maxSource = 1 << 20

// readSource leaves the path out of the error, which may be a secret in the
// wrong variable. A file that others could change gives no credentials.
func readSource(path string) ([]byte, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	file, err := openat.ReadFile(path, maxSource)
	var number syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("is missing")
	case errors.As(err, &number):
		return nil, fmt.Errorf("cannot be read: %w", number)
	case err != nil:
		return nil, errors.New("cannot be read")
	case file.Others != nil:
		return nil, errors.New("can be changed by others")
	}
	return file.Data, nil
}

// isTrue says that a variable is set to true, however it is spelt.
func isTrue(variable string) bool { return strings.EqualFold(os.Getenv(variable), "true") }
