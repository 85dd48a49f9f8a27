// Istio's own CA client and verifiers against a certificate service: one request, and the chain or the error
// as one line of JSON.
package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"istio.io/istio/pkg/security"
	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/security/pkg/credentialfetcher"
	"istio.io/istio/security/pkg/nodeagent/caclient/providers/citadel"
	"istio.io/istio/security/pkg/pki/util"
)

// Usage: client ADDRESS ROOTS TOKEN HOST [CERTIFICATE-CHAIN KEY]. Makes a key and a CSR as Istio's agent
// does, asks for a certificate, and checks the answer as Istio's code does.
func main() {
	result := map[string]any{}
	chain, err := request(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	if err != nil {
		result["error"] = err.Error()
	} else {
		result["chain"] = chain
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

func request(address, roots, token, host string, own []string) ([]string, error) {
	tls := &citadel.TLSOptions{RootCert: roots}
	if len(own) == 2 {
		tls.Cert, tls.Key, token = own[0], own[1], ""
	}
	fetcher, err := credentialfetcher.NewCredFetcher(security.JWT, "cluster.local", token, "")
	if err != nil {
		return nil, err
	}
	client, err := citadel.NewCitadelClient(&security.Options{
		CAEndpoint: address, ClusterID: "Kubernetes", CredFetcher: fetcher, TrustDomain: "cluster.local",
	}, tls)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	csr, key, err := util.GenCSR(util.CertOptions{Host: host, RSAKeySize: 2048, ECSigAlg: util.EcdsaSigAlg})
	if err != nil {
		return nil, err
	}
	chain, err := client.CSRSign(csr, int64(time.Hour/time.Second))
	if err != nil {
		return nil, err
	}
	return chain, verify(chain, key, host)
}

// verify: the last element is the root, what is before it the chain.
func verify(chain []string, key []byte, host string) error {
	root := []byte(chain[len(chain)-1])
	certificates := []byte(strings.Join(chain[:len(chain)-1], ""))
	if err := util.VerifyCertificate(key, certificates, root, &util.VerifyFields{
		Host:        host,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return fmt.Errorf("VerifyCertificate: %w", err)
	}
	verifier := spiffe.NewPeerCertVerifier()
	if err := verifier.AddMappingFromPEM("cluster.local", root); err != nil {
		return err
	}
	parsed, _, err := util.ParsePemEncodedCertificateChain(certificates)
	if err != nil {
		return err
	}
	var raw [][]byte
	for _, one := range parsed {
		raw = append(raw, one.Raw)
	}
	if err := verifier.VerifyPeerCert(raw, nil); err != nil {
		return fmt.Errorf("VerifyPeerCert: %w", err)
	}
	return nil
}
