// The opinion of crypto/x509: frames of one letter, four octets of length and DER in; "ok" or the error, one line a case, out.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

type pki struct {
	host          string
	now           time.Time
	root, leaf    *x509.Certificate
	roots         *x509.CertPool
	intermediates *x509.CertPool
}

func main() {
	seconds, err := strconv.ParseInt(os.Args[2], 10, 64)
	must(err)
	fixed := &pki{host: os.Args[1], now: time.Unix(seconds, 0), roots: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(in, head); err == io.EOF {
			return
		} else {
			must(err)
		}
		der := make([]byte, binary.BigEndian.Uint32(head[1:]))
		_, err := io.ReadFull(in, der)
		must(err)
		switch head[0] {
		case 'R':
			fixed.root = fixedCertificate(der)
			fixed.roots.AddCert(fixed.root)
		case 'I':
			fixed.intermediates.AddCert(fixedCertificate(der))
		case 'F':
			fixed.leaf = fixedCertificate(der)
		default:
			answer := "ok"
			if err := fixed.judge(head[0], der); err != nil {
				answer = "refused: " + strings.ReplaceAll(err.Error(), "\n", " ")
			}
			fmt.Fprintln(out, answer)
		}
	}
}

func (fixed *pki) judge(letter byte, der []byte) error {
	switch letter {
	case 'q':
		request, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return err
		}
		return request.CheckSignature()
	case 'l':
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return err
		}
		if string(list.RawIssuer) != string(fixed.root.RawSubject) {
			return fmt.Errorf("another issuer")
		}
		return list.CheckSignatureFrom(fixed.root)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Roots: fixed.roots, Intermediates: fixed.intermediates, CurrentTime: fixed.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if letter == 's' {
		options.DNSName = fixed.host
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if letter == 'i' {
		options.Intermediates = x509.NewCertPool()
		options.Intermediates.AddCert(certificate)
		certificate = fixed.leaf
	}
	_, err = certificate.Verify(options)
	return err
}

func fixedCertificate(der []byte) *x509.Certificate {
	certificate, err := x509.ParseCertificate(der)
	must(err)
	return certificate
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
