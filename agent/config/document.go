package config

// document is agent.toml as it is written. A new key goes here, with its
// default in newDocument unless another package has it, and into
// agent.toml.example.
type document struct {
	StateDir    string                  `toml:"state_dir"`
	Account     map[string]accountTable `toml:"account"`
	Contact     map[string]contactTable `toml:"contact"`
	DNS         dnsTable                `toml:"dns"`
	Certificate []certificateTable      `toml:"certificate"`
	Hook        []hookTable             `toml:"hook"`
	Notify      []notifyTable           `toml:"notify"`
	Limits      limitsTable             `toml:"limits"`
	Service     serviceTable            `toml:"service"`
	Fleet       fleetTable              `toml:"fleet"`
	Messages    messagesTable           `toml:"messages"`
}

type messagesTable struct {
	Language string `toml:"language"`
}

type accountTable struct {
	AccessKeyID         string `toml:"access_key_id"`
	AccessKeyIDFile     string `toml:"access_key_id_file"`
	AccessKeyIDEnv      string `toml:"access_key_id_env"`
	AccessKeySecret     string `toml:"access_key_secret"`
	AccessKeySecretFile string `toml:"access_key_secret_file"`
	AccessKeySecretEnv  string `toml:"access_key_secret_env"`
	SecurityToken       string `toml:"security_token"`
	SecurityTokenFile   string `toml:"security_token_file"`
	SecurityTokenEnv    string `toml:"security_token_env"`
	RAMRole             string `toml:"ram_role"`
	RoleARN             string `toml:"role_arn"`
	Region              string `toml:"region"`
	CASAPI              string `toml:"cas_api"`
	CASEndpoint         string `toml:"cas_endpoint"`
	DNSEndpoint         string `toml:"dns_endpoint"`
	STSEndpoint         string `toml:"sts_endpoint"`
	CAFile              string `toml:"ca_file"`
}

type contactTable struct {
	ID       int64  `toml:"id"`
	Username string `toml:"username"`
	Mobile   string `toml:"mobile"`
	Email    string `toml:"email"`
	Province string `toml:"province"`
	City     string `toml:"city"`
}

type dnsTable struct {
	Resolvers          []string `toml:"resolvers"`
	NameServers        []string `toml:"nameservers"`
	PublicResolvers    []string `toml:"public_resolvers"`
	PropagationTimeout string   `toml:"propagation_timeout"`
	Quorum             string   `toml:"quorum"`
	Delegate           []string `toml:"delegate"`
	CAAIssuers         []string `toml:"caa_issuers"`
	TTL                int      `toml:"ttl"`
}

type certificateTable struct {
	Name          string        `toml:"name"`
	Domains       []string      `toml:"domains"`
	Account       string        `toml:"account"`
	DNSAccount    string        `toml:"dns_account"`
	Contact       string        `toml:"contact"`
	Instances     []string      `toml:"instances"`
	TestInstances bool          `toml:"test_instances"`
	Package       string        `toml:"package"`
	KeyType       string        `toml:"key_type"`
	PrivateKey    string        `toml:"private_key"`
	Validation    string        `toml:"validation"`
	Webroot       string        `toml:"webroot"`
	Upload        bool          `toml:"upload"`
	Follow        bool          `toml:"follow"`
	RenewBefore   string        `toml:"renew_before"`
	Deploy        []deployTable `toml:"deploy"`
}

type deployTable struct {
	Fullchain       string   `toml:"fullchain"`
	Key             string   `toml:"key"`
	Cert            string   `toml:"cert"`
	Chain           string   `toml:"chain"`
	Combined        string   `toml:"combined"`
	PFX             string   `toml:"pfx"`
	JKS             string   `toml:"jks"`
	Password        string   `toml:"password"`
	PasswordFile    string   `toml:"password_file"`
	PasswordEnv     string   `toml:"password_env"`
	JKSAlias        string   `toml:"jks_alias"`
	PFXLegacy       bool     `toml:"pfx_legacy"`
	KeyFormat       string   `toml:"key_format"`
	Owner           string   `toml:"owner"`
	Group           string   `toml:"group"`
	Mode            string   `toml:"mode"`
	KeyMode         string   `toml:"key_mode"`
	Check           []string `toml:"check"`
	Reload          []string `toml:"reload"`
	Timeout         string   `toml:"timeout"`
	Probe           []string `toml:"probe"`
	ProbeServerName string   `toml:"probe_server_name"`
}

type hookTable struct {
	On      []string `toml:"on"`
	Command []string `toml:"command"`
	Timeout string   `toml:"timeout"`
}

type notifyTable struct {
	Name         string   `toml:"name"`
	Kind         string   `toml:"kind"`
	On           []string `toml:"on"`
	URL          string   `toml:"url"`
	URLFile      string   `toml:"url_file"`
	URLEnv       string   `toml:"url_env"`
	Secret       string   `toml:"secret"`
	SecretFile   string   `toml:"secret_file"`
	SecretEnv    string   `toml:"secret_env"`
	SMTP         string   `toml:"smtp"`
	Username     string   `toml:"username"`
	Password     string   `toml:"password"`
	PasswordFile string   `toml:"password_file"`
	PasswordEnv  string   `toml:"password_env"`
	From         string   `toml:"from"`
	To           []string `toml:"to"`
}

type limitsTable struct {
	SubmissionsPerDay int    `toml:"submissions_per_day"`
	RequestsPerSecond *int   `toml:"requests_per_second"`
	ParallelOrders    int    `toml:"parallel_orders"`
	ShortestPoll      string `toml:"shortest_poll"`
	OrderDeadline     string `toml:"order_deadline"`
	Forecast          string `toml:"forecast"`
}

type serviceTable struct {
	Interval  string `toml:"interval"`
	Listen    string `toml:"listen"`
	TLSCert   string `toml:"tls_cert"`
	TLSKey    string `toml:"tls_key"`
	Token     string `toml:"token"`
	TokenFile string `toml:"token_file"`
	TokenEnv  string `toml:"token_env"`
}

// fleetTable counts where Etcd is not nil.
type fleetTable struct {
	Etcd         []string `toml:"etcd"`
	CAFile       string   `toml:"ca_file"`
	CertFile     string   `toml:"cert_file"`
	KeyFile      string   `toml:"key_file"`
	Username     string   `toml:"username"`
	Password     string   `toml:"password"`
	PasswordFile string   `toml:"password_file"`
	PasswordEnv  string   `toml:"password_env"`
	Prefix       string   `toml:"prefix"`
	IdentityFile string   `toml:"identity_file"`
	Canaries     int      `toml:"canaries"`
}

// Defaults of the keys in tables that may stand more than once.
const (
	defaultKeyType     = "rsa2048"
	defaultPrivateKey  = "host"
	defaultValidation  = "dns"
	defaultRenewBefore = "33%"
)

// DefaultStateDir is where dvagent keeps what it knows, unless state_dir says
// otherwise.
const DefaultStateDir = "/var/lib/dvagent"

// newDocument holds the defaults of the keys that stand once.
func newDocument() document {
	return document{
		StateDir: DefaultStateDir,
		DNS:      dnsTable{PropagationTimeout: "10m", Quorum: "all", TTL: 600},
		Limits:   limitsTable{SubmissionsPerDay: 3, ParallelOrders: 4, ShortestPoll: "50ms", OrderDeadline: "48h", Forecast: "30d"},
		Service:  serviceTable{Interval: "1h"},
		Fleet:    fleetTable{Prefix: "/dvagent/", Canaries: 1},
		Messages: messagesTable{Language: autoLanguage},
	}
}
