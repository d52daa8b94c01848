package config

import (
	"crypto/x509"
	"fmt"

	"dvagent/internal/openat"
)

// checkRoots wants a plain file with root certificates that nobody else can change,
// as it is read when a connection is made.
func checkRoots(path string) error {
	read, err := plainFile(path)
	if err == nil && read.Others != nil {
		err = fmt.Errorf("%s: %w", path, read.Others)
	}
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(read.Data) {
		err = fmt.Errorf("%s holds no PEM certificate", path)
	}
	return err
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
