package config

import (
	"crypto/x509"
	"fmt"

	"dvagent/internal/openat"
)

// checkRoots wants a plain file with root certificates. Those of an account are to be
// changed by nobody else: whoever can may see what is signed with its access key.
func checkRoots(path string, private bool) error {
	read, err := plainFile(path)
	switch {
	case err != nil:
		return err
	case private && read.Others != nil:
		return fmt.Errorf("%s: %w", path, read.Others)
	case !x509.NewCertPool().AppendCertsFromPEM(read.Data):
		return fmt.Errorf("%s holds no PEM certificate", path)
	}
	return nil
}

// plainFile reads a file by its absolute path; no device, directory or pipe.
func plainFile(path string) (openat.File, error) {
	if err := absolute(path); err != nil {
		return openat.File{}, err
	}
	read, err := openat.ReadFile(path, maxBytes)
	if err != nil {
		return read, fmt.Errorf("%s: %w", path, describe(err))
	}
	return read, nil
}
