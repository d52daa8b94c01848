package aliyun

import (
	"errors"
	"os"
	"slices"
	"strings"

	"dvagent/internal/hint"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
)

// refuseDebug fails while DEBUG=sdk is in the environment: with it the SDK
// prints requests to standard output, signatures and private keys included.
func refuseDebug() error {
	if slices.Contains(strings.Split(os.Getenv("DEBUG"), ","), "sdk") {
		return hint.Add(errors.New("DEBUG=sdk would print keys to standard output"), "unset DEBUG")
	}
	return nil
}

// sign has the SDK sign request and send it through x. Its own client is not
// safe for concurrent use, and cheap: one a request. The SDK panics on some
// input. What it throws or says may hold what it was given, so an error only
// says that it failed.
func sign(x *exchange, region, endpoint string, request requests.AcsRequest, key key) (err error) {
	defer func() {
		if recover() != nil {
			err = errUnsigned
		}
	}()
	config := sdk.NewConfig()
	config.Transport = x
	config.Timeout = 2 * tryTimeout // x has its own, shorter one
	client, err := sdk.NewClientWithOptions(region, config,
		credentials.NewStaticSTSCredentialsProvider(key.id, key.secret, key.token))
	if err != nil {
		return errUnsigned
	}
	// The SDK parses the proxy variables, NO_PROXY as regular expressions, and
	// fails on those it does not like. x decides about proxies; these keep it
	// from looking.
	client.SetHttpProxy("-")
	client.SetHttpsProxy("-")
	client.SetNoProxy("-")

	scheme, host, _ := strings.Cut(strings.TrimRight(endpoint, "/"), "://")
	request.SetScheme(scheme)
	request.SetDomain(host) // without it the SDK asks a location service first
	if client.DoAction(request, responses.NewCommonResponse()) != nil {
		return errUnsigned
	}
	return nil
}

var errUnsigned = errors.New("the SDK cannot sign the request")
