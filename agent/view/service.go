package view

import "time"

// ServiceStatus is how a service stands, apart from its certificates.
type ServiceStatus struct {
	PID         int          `json:"pid"`
	Since       time.Time    `json:"since"`
	Config      string       `json:"config"`    // path
	ConfigAt    time.Time    `json:"config_at"` // when it was taken into use
	ConfigError *ConfigError `json:"config_error,omitempty"`
	PassError   *PassError   `json:"pass_error,omitempty"`
}

// ConfigError is why the configuration as it is now is not in use.
type ConfigError struct {
	Since time.Time `json:"since"`
	File  string    `json:"file,omitempty"`
	Line  int       `json:"line,omitempty"`
	Key   string    `json:"key,omitempty"`
	Error string    `json:"error"` // file, line and key included
	Hint  string    `json:"hint,omitempty"`
}

// PassError is why the passes fail as a whole: nothing is renewed meanwhile.
type PassError struct {
	Since time.Time `json:"since"` // of the first of them
	Error string    `json:"error"` // of the last
	Hint  string    `json:"hint,omitempty"`
}
