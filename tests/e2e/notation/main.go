// The Notary Project's own library as judge: it verifies what minibuild signed, and signs what minibuild is to verify.
//
//	judge verify PLACE DIGEST CONFIGURATION    with trustpolicy.json and truststore/ of a directory
//	judge sign PLACE DIGEST KEY CHAIN [DURATION]    a signature that expires after a duration such as 1h
//
// PLACE is oci:DIRECTORY, or HOST/REPOSITORY of a registry without TLS.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"oras.land/oras-go/v2/registry/remote"
)

// open gives the place and what an image in it is called.
func open(place, digest string) (registry.Repository, string, error) {
	if layout, found := strings.CutPrefix(place, "oci:"); found {
		repository, err := registry.NewOCIRepository(layout, registry.RepositoryOptions{})
		return repository, "local/layout@" + digest, err
	}
	repository, err := remote.NewRepository(place)
	if err != nil {
		return nil, "", err
	}
	repository.PlainHTTP = true
	return registry.NewRepository(repository), place + "@" + digest, nil
}

func verify(place, digest, configuration string) error {
	text, err := os.ReadFile(filepath.Join(configuration, "trustpolicy.json"))
	if err != nil {
		return err
	}
	var policy trustpolicy.Document
	if err := json.Unmarshal(text, &policy); err != nil {
		return err
	}
	stores := truststore.NewX509TrustStore(dir.NewSysFS(configuration))
	judge, err := verifier.New(&policy, stores, nil)
	if err != nil {
		return err
	}
	repository, reference, err := open(place, digest)
	if err != nil {
		return err
	}
	options := notation.VerifyOptions{ArtifactReference: reference, MaxSignatureAttempts: 100}
	_, outcomes, err := notation.Verify(context.Background(), judge, repository, options)
	for _, outcome := range outcomes {
		if outcome.EnvelopeContent != nil {
			fmt.Println(outcome.EnvelopeContent.SignerInfo.UnsignedAttributes.SigningAgent)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, outcome.Error)
		}
	}
	return err
}

func sign(place, digest, key, chain, duration string) error {
	lasts, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	with, err := signer.NewFromFiles(key, chain)
	if err != nil {
		return err
	}
	repository, reference, err := open(place, digest)
	if err != nil {
		return err
	}
	options := notation.SignOptions{ArtifactReference: reference}
	options.SignatureMediaType = jws.MediaTypeEnvelope
	options.ExpiryDuration = lasts
	_, err = notation.Sign(context.Background(), with, repository, options)
	return err
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 4 && arguments[0] == "verify":
		return verify(arguments[1], arguments[2], arguments[3])
	case len(arguments) == 5 && arguments[0] == "sign":
		return sign(arguments[1], arguments[2], arguments[3], arguments[4], "0s")
	case len(arguments) == 6 && arguments[0] == "sign":
		return sign(arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
	}
	return fmt.Errorf("want verify PLACE DIGEST CONFIGURATION or sign PLACE DIGEST KEY CHAIN [DURATION]")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
