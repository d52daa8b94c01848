package view

import (
	"time"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
)

// UploadStatus is where the account keeps the pair of a certificate, and whether
// that of the current version is still to be put there.
type UploadStatus struct {
	Owed           bool      `json:"owed"`
	Begun          bool      `json:"begun"`                     // the pair was sent, and no answer is known
	Version        string    `json:"version,omitempty"`         // that was uploaded last
	Name           string    `json:"name,omitempty"`            // in the account
	CertID         int64     `json:"cert_id,omitempty"`         // CertId
	CertIdentifier string    `json:"cert_identifier,omitempty"` // CertIdentifier, where the API tells
	At             time.Time `json:"at,omitzero"`               // when it was uploaded, or found there
	Error          string    `json:"error,omitempty"`           // of the last try
	Hint           string    `json:"hint,omitempty"`
	RetryAt        time.Time `json:"retry_at,omitzero"`
}

// uploadStatus is nil for a certificate that is not uploaded.
func uploadStatus(s state.Snapshot) *UploadStatus {
	if !s.Config.Upload {
		return nil
	}
	known := s.Rollout.Targets[rollout.Upload]
	f := known.Failure
	u := &UploadStatus{Owed: s.UploadOwed(), Begun: known.Started != "" && f.Text == "", Error: f.Text, Hint: f.Hint, RetryAt: f.Until}
	if p := known.Place; p != nil && p.Account == s.Config.Account {
		u.Version, u.Name, u.CertID, u.CertIdentifier, u.At = known.Version, p.Name, p.ID, p.Identifier, known.At
	}
	return u
}

// Failed says that it is owed because the last try failed.
func (u *UploadStatus) Failed() bool { return u != nil && u.Owed && u.Error != "" }

// next says what comes, or what an operator has to do; "" for nothing.
func (u *UploadStatus) next() string {
	switch {
	case u == nil || !u.Owed:
		return ""
	case u.Hint != "":
		return u.Hint
	}
	return "the upload to the account is owed"
}
