package aliyun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

const sessionLength = time.Hour

// role is what STS is asked for.
type role struct {
	arn, session, policy, externalID string
	seconds                          int    // of the session; 0: sessionLength
	region                           string // whose STS; "" is the one of Config
	vpc                              bool   // reached inside the VPC
}

func (r role) parameters() map[string]string {
	parameters := map[string]string{
		"RoleArn":         r.arn,
		"RoleSessionName": r.session,
		"DurationSeconds": strconv.Itoa(cmp.Or(r.seconds, int(sessionLength.Seconds()))),
	}
	for name, value := range map[string]string{"Policy": r.policy, "ExternalId": r.externalID} {
		if value != "" {
			parameters[name] = value
		}
	}
	return parameters
}

// stsOf is the service to ask for a role: that of its region, unless the
// configuration names an endpoint.
func (c *Client) stsOf(r role) *service {
	if r.region == "" || c.sts.endpoint != DefaultSTSEndpoint {
		return &c.sts
	}
	sts, host := c.sts, "sts."
	if r.vpc {
		host = "sts-vpc."
	}
	sts.endpoint = "https://" + host + url.PathEscape(r.region) + ".aliyuncs.com"
	return &sts
}

// assume is STS's AssumeRole: a key for the role.
func (c *Client) assume(ctx context.Context, r role, own key) (grant, *Error) {
	request := &requests.RpcRequest{}
	request.InitWithApiInfo("Sts", "2015-04-01", "AssumeRole", "sts", "openAPI")
	request.FormParams = r.parameters()
	answer, err := c.send(ctx, c.stsOf(r), request, own, []string{"Credentials"})
	return granted("AssumeRole", answer, err)
}

// assumeByToken is STS's AssumeRoleWithOIDC, which no key signs. Without a file
// and a provider it takes those of the environment.
func (c *Client) assumeByToken(ctx context.Context, r role, file, provider string) (grant, error) {
	token, err := readSource(cmp.Or(file, os.Getenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE")))
	if err != nil {
		return grant{}, fmt.Errorf("the file of the token %w", err)
	}
	provider = cmp.Or(provider, os.Getenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"))
	if provider == "" || r.arn == "" {
		return grant{}, errors.New("the ARN of the provider or of the role is not given")
	}
	const operation = "AssumeRoleWithOIDC"
	sts := c.stsOf(r)
	form := url.Values{"OIDCProviderArn": {provider}, "OIDCToken": {string(token)}}
	for name, value := range r.parameters() {
		form.Set(name, value)
	}
	query := url.Values{"Action": {operation}, "Version": {"2015-04-01"}, "Format": {"JSON"},
		"Timestamp": {time.Now().UTC().Format(time.RFC3339)}}
	request, err := http.NewRequest(http.MethodPost, strings.TrimRight(sts.endpoint, "/")+"/?"+query.Encode(), strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, errors.New("the region of STS is no name")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, failed := c.roundTrip(ctx, sts, operation, func() []string { return []string{string(token)} }, []string{"Credentials"}, func(x *exchange) error {
		_, err := x.RoundTrip(request)
		return err
	})
	found, failed := granted(operation, answer, failed)
	if failed != nil {
		return grant{}, failed.short()
	}
	return found, nil
}

// granted reads STS's answer to an operation.
func granted(operation string, answer object, err *Error) (grant, *Error) {
	if err != nil {
		return grant{}, err
	}
	found, whole := answer.inner("Credentials").grant()
	if !whole {
		return grant{}, &Error{Operation: operation, Kind: Malformed, Status: http.StatusOK, Err: errors.New("the answer has no whole session")}
	}
	return found, nil
}
