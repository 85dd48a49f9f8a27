// A contender of the CPU rows with Go's crypto/x509, which reads inputs and then orders as JSON lines.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"syscall"
	"time"
)

type inputs struct {
	Request, CaKey, CaCertificate, Leaf, Intermediate, Root string
}

type order struct {
	Work  string
	Count int
}

const benchID = "spiffe://example.org/ns/production/sa/payments"

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	var in inputs
	read(lines, &in)
	works := map[string]func() error{"issue: go": issuing(in), "verify: go": verifying(in)}
	for {
		var o order
		if !read(lines, &o) {
			return
		}
		work := works[o.Work]
		if work == nil {
			fail(fmt.Errorf("no work is called %q", o.Work))
		}
		before := cpuMicroseconds()
		for i := 0; i < o.Count; i++ {
			if err := work(); err != nil {
				fail(err)
			}
		}
		spent := float64(cpuMicroseconds()-before) / float64(o.Count)
		fmt.Printf("{\"cpuUs\":%f}\n", spent)
	}
}

// issuing parses the request, checks its proof of possession, builds, signs and verifies a certificate, and encodes it.
func issuing(in inputs) func() error {
	ca := parse(in.CaCertificate)
	parsed, err := x509.ParsePKCS8PrivateKey(decode(in.CaKey))
	if err != nil {
		fail(err)
	}
	key := parsed.(*ecdsa.PrivateKey)
	return func() error {
		request, err := x509.ParseCertificateRequest(decode(in.Request))
		if err != nil {
			return err
		}
		if err := request.CheckSignature(); err != nil {
			return err
		}
		der, err := create(request, ca, key)
		if err != nil {
			return err
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
		if len(encoded) == 0 {
			return errors.New("no PEM")
		}
		return nil
	}
}

// create signs; x509.CreateCertificate verifies its own signature before it returns.
func create(request *x509.CertificateRequest, ca *x509.Certificate, key crypto.Signer) ([]byte, error) {
	id, err := url.Parse(benchID)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(request.PublicKey)
	if err != nil {
		return nil, err
	}
	keyIdentifier := sha1.Sum(spki)
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{},
		NotBefore:             now.Add(-2 * time.Minute),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		SubjectKeyId:          keyIdentifier[:],
		URIs:                  []*url.URL{id},
	}
	return x509.CreateCertificate(rand.Reader, template, ca, request.PublicKey, key)
}

// verifying parses the leaf and finds its path; Go remembers no verified issuer, so it verifies two signatures.
func verifying(in inputs) func() error {
	der := decode(in.Leaf)
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(parse(in.Root))
	intermediates.AddCert(parse(in.Intermediate))
	options := x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	return func() error {
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		_, err = leaf.Verify(options)
		return err
	}
}

func cpuMicroseconds() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return (usage.Utime.Sec+usage.Stime.Sec)*1e6 + int64(usage.Utime.Usec+usage.Stime.Usec)
}

func parse(text string) *x509.Certificate {
	certificate, err := x509.ParseCertificate(decode(text))
	if err != nil {
		fail(err)
	}
	return certificate
}

func decode(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		fail(errors.New("an input is not PEM"))
	}
	return block.Bytes
}

// read decodes one line; false at the end of the input.
func read(lines *bufio.Reader, value any) bool {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return false
	}
	if err := json.Unmarshal(line, value); err != nil {
		fail(err)
	}
	return true
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench/go:", err)
	os.Exit(1)
}
