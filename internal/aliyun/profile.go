package aliyun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"gopkg.in/ini.v1"
)

// profile is how one of Alibaba's tools gets its key: an entry of the CLI's
// config.json, or a section of the SDK's file of credentials.
type profile struct {
	Name            string `json:"name"`
	Mode            string `json:"mode"`
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	SecurityToken   string `json:"sts_token"`
	RoleARN         string `json:"ram_role_arn"`
	SessionName     string `json:"ram_session_name"`
	Seconds         int    `json:"expired_seconds"`
	STSRegion       string `json:"sts_region"`
	VPC             bool   `json:"enable_vpc"`
	Source          string `json:"source_profile"`
	RAMRole         string `json:"ram_role_name"`
	TokenFile       string `json:"oidc_token_file"`
	OIDCProvider    string `json:"oidc_provider_arn"`
	Policy          string `json:"policy"`
	ExternalID      string `json:"external_id"`
}

func (p profile) role() role {
	return role{
		arn: cmp.Or(p.RoleARN, os.Getenv("ALIBABA_CLOUD_ROLE_ARN")), policy: p.Policy, externalID: p.ExternalID, seconds: p.Seconds,
		session: cmp.Or(p.SessionName, os.Getenv("ALIBABA_CLOUD_ROLE_SESSION_NAME"), "dvagent"),
		region:  cmp.Or(p.STSRegion, os.Getenv("ALIBABA_CLOUD_STS_REGION")),
		vpc:     p.VPC || isTrue("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
	}
}

var (
	errNoProfile = errors.New("the profile is not there")
	errCircle    = errors.New("the profiles lead in a circle")
)

// keyOfCLI reads the CLI's configuration, and takes the profile that
// ALIBABA_CLOUD_PROFILE names, or else the CLI's own.
func (c *Client) keyOfCLI(ctx context.Context) (grant, error) {
	if isTrue("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") {
		return grant{}, errors.New("ALIBABA_CLOUD_CLI_PROFILE_DISABLED forbids it")
	}
	text, err := readHome(".aliyun/config.json")
	if err != nil {
		return grant{}, err
	}
	var file struct {
		Current  string    `json:"current"`
		Profiles []profile `json:"profiles"`
	}
	if json.Unmarshal(text, &file) != nil {
		return grant{}, errors.New("is no JSON of the CLI's")
	}
	return c.keyOfProfile(ctx, file.Profiles, cmp.Or(os.Getenv("ALIBABA_CLOUD_PROFILE"), file.Current), len(file.Profiles))
}

// keyOfProfile follows the profile to those that it builds on, mostly once each.
func (c *Client) keyOfProfile(ctx context.Context, all []profile, name string, left int) (grant, error) {
	i := slices.IndexFunc(all, func(p profile) bool { return p.Name == name })
	if i < 0 {
		return grant{}, errNoProfile
	}
	if left == 0 {
		return grant{}, errCircle
	}
	p := all[i]
	switch p.Mode {
	case "AK", "StsToken":
		return p.key()
	case "EcsRamRole":
		return c.instanceKey(ctx, p.RAMRole)
	case "OIDC":
		return c.assumeByToken(ctx, p.role(), p.TokenFile, p.OIDCProvider)
	case "RamRoleArn":
		own, err := p.key()
		return c.assumeFrom(ctx, p.role(), own, err)
	case "ChainableRamRoleArn":
		own, err := c.keyOfProfile(ctx, all, p.Source, left-1)
		return c.assumeFrom(ctx, p.role(), own, err)
	}
	return grant{}, errors.New("the profile is of an unknown mode")
}

// key is the profile's own.
func (p profile) key() (grant, error) {
	found := key{id: p.AccessKeyID, secret: p.AccessKeySecret}
	if p.Mode == "StsToken" {
		if found.token = p.SecurityToken; found.token == "" {
			return grant{}, errors.New("the profile has no token")
		}
	}
	if found.id == "" || found.secret == "" {
		return grant{}, errors.New("the profile has no whole key")
	}
	return grant{key: found}, nil
}

// assumeFrom assumes a role with the key of a profile, or passes on why there
// is none.
func (c *Client) assumeFrom(ctx context.Context, r role, own grant, err error) (grant, error) {
	if err != nil {
		return grant{}, err
	}
	found, failed := c.assume(ctx, r, own.key)
	if failed != nil {
		return grant{}, failed.short()
	}
	return found, nil
}

// keyOfINI reads the SDK's file of credentials.
func (c *Client) keyOfINI(ctx context.Context, file string) (grant, error) {
	read := func() ([]byte, error) { return readHome(".alibabacloud/credentials") }
	if file != "" {
		read = func() ([]byte, error) { return readSource(file) }
	}
	text, err := read()
	if err != nil {
		return grant{}, err
	}
	sections, err := ini.Load(text)
	if err != nil {
		return grant{}, errors.New("is no INI file")
	}
	section, err := sections.GetSection(cmp.Or(os.Getenv("ALIBABA_CLOUD_PROFILE"), "default"))
	if err != nil {
		return grant{}, errNoProfile
	}
	value := func(name string) string { return section.Key(name).String() }
	p := profile{
		AccessKeyID: value("access_key_id"), AccessKeySecret: value("access_key_secret"), RAMRole: value("role_name"),
		RoleARN: value("role_arn"), SessionName: value("role_session_name"), Policy: value("policy"),
	}
	mode, known := map[string]string{"access_key": "AK", "ecs_ram_role": "EcsRamRole", "ram_role_arn": "RamRoleArn"}[value("type")]
	if !known {
		return grant{}, errors.New("the profile is of an unknown type")
	}
	p.Mode = mode
	return c.keyOfProfile(ctx, []profile{p}, p.Name, 1)
}
