package aliyun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"dvagent/internal/https"
)

const (
	// metadataService is where an ECS instance is told of itself.
	metadataService = "http://100.100.100.200"

	metadataTimeout = 2 * time.Second // it is a hop away
	uriTimeout      = 15 * time.Second
	maxKeyAnswer    = 64 << 10 // bytes
)

// instanceKey asks the metadata service for the key of a role of the instance,
// or of the one that it has.
func (c *Client) instanceKey(ctx context.Context, role string) (grant, error) {
	if isTrue("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
		return grant{}, errors.New("ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids it")
	}
	header, err := c.metadataHeader(ctx)
	if err != nil {
		return grant{}, err
	}
	const roles = "/latest/meta-data/ram/security-credentials/"
	if role == "" {
		role = os.Getenv("ALIBABA_CLOUD_ECS_METADATA")
	}
	if role == "" {
		named, err := c.metadata(ctx, http.MethodGet, roles, header)
		if err != nil {
			return grant{}, fmt.Errorf("the role's name: %w", err)
		}
		role = strings.TrimSpace(string(named))
	}
	answer, err := c.metadata(ctx, http.MethodGet, roles+url.PathEscape(role), header)
	if err != nil {
		return grant{}, fmt.Errorf("the role's key: %w", err)
	}
	return keyIn(answer)
}

// metadataHeader has the token that version 2 of the service wants. Version 1
// answers whoever makes a server of this host ask, so it is asked only where
// ALIBABA_CLOUD_IMDSV1_DISABLED is set to false.
func (c *Client) metadataHeader(ctx context.Context) (http.Header, error) {
	life := http.Header{"X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds": {"21600"}}
	token, err := c.metadata(ctx, http.MethodPut, "/latest/api/token", life)
	switch {
	case err == nil:
		return http.Header{"X-Aliyun-Ecs-Metadata-Token": {strings.TrimSpace(string(token))}}, nil
	case strings.EqualFold(os.Getenv("ALIBABA_CLOUD_IMDSV1_DISABLED"), "false"):
		return http.Header{}, nil
	}
	return nil, fmt.Errorf("the token of IMDSv2: %w", err)
}

func (c *Client) metadata(ctx context.Context, method, path string, header http.Header) ([]byte, error) {
	request, err := http.NewRequest(method, c.metadataService+path, nil)
	if err != nil {
		return nil, errors.New("the role has no name that can be asked for")
	}
	request.Header = header
	return c.question(ctx, metadataTimeout, request)
}

// keyAt asks a service of the operator's own.
func (c *Client) keyAt(ctx context.Context, uri string) (grant, error) {
	request, err := http.NewRequest(http.MethodGet, uri, nil)
	if err != nil {
		return grant{}, errors.New("ALIBABA_CLOUD_CREDENTIALS_URI is no URL")
	}
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	answer, err := c.question(ctx, uriTimeout, request)
	if err != nil {
		return grant{}, err
	}
	return keyIn(answer)
}

// question asks for what holds a key. The transport puts no proxy between, and
// no redirect is followed.
func (c *Client) question(ctx context.Context, limit time.Duration, request *http.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	response, err := c.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, https.Reason(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", response.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxKeyAnswer))
	if err != nil {
		return nil, https.Reason(err)
	}
	return answer, nil
}

func keyIn(answer []byte) (grant, error) {
	said, err := decode(answer)
	if err != nil {
		return grant{}, errors.New("the answer is no JSON")
	}
	if code := said.text("Code"); code != "" && code != "Success" {
		return grant{}, errors.New("the answer's Code is not Success")
	}
	found, whole := said.grant()
	if !whole {
		return grant{}, errors.New("the answer has no whole key")
	}
	return found, nil
}

// grant reads a temporary key; false when a part of it is missing.
func (o object) grant() (found grant, whole bool) {
	found.key = key{o.text("AccessKeyId"), o.text("AccessKeySecret"), o.text("SecurityToken")}
	expires, err := time.Parse(time.RFC3339, o.text("Expiration"))
	found.until = expires
	return found, found.id != "" && found.secret != "" && found.token != "" && err == nil
}
