package rollout

// Upload is the target that stands for the certificate's account.
const Upload = "upload"

// Place is where an account keeps an uploaded pair.
type Place struct {
	Account    string `json:"account"` // the configured name
	Name       string `json:"name"`
	ID         int64  `json:"cert_id,omitempty"`         // once it is there
	Identifier string `json:"cert_identifier,omitempty"` // what other products call it, where the API tells
}

// Uploading comes right before the pair of a version is sent to p, which has no
// ID yet.
func (r *Rollout) Uploading(version string, p Place) error {
	return r.record(Fact{Kind: Started, Target: Upload, Version: version, Place: &p})
}

// Uploaded says that p has the pair of the version.
func (r *Rollout) Uploaded(version string, p Place) error {
	return r.record(Fact{Kind: Deployed, Target: Upload, Version: version, Place: &p})
}

// Place is where the version was uploaded to, or nil.
func (r *Rollout) Place(version string) *Place {
	if known := r.Targets[Upload]; known.Version == version {
		return known.Place
	}
	return nil
}
