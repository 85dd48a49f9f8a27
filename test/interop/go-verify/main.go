// Reads chains as JSON lines {leaf, intermediates, root, time, host} (base64 DER) and answers each with "ok" or Go's error, one line each.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

type chain struct {
	Leaf          []byte
	Intermediates [][]byte
	Root          []byte
	Time          time.Time
	Host          string
}

func verify(c chain) error {
	leaf, err := x509.ParseCertificate(c.Leaf)
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(c.Root)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		CurrentTime:   c.Time,
		DNSName:       c.Host,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	options.Roots.AddCert(root)
	for _, der := range c.Intermediates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		options.Intermediates.AddCert(certificate)
	}
	_, err = leaf.Verify(options)
	return err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	for lines.Scan() {
		var c chain
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			err = verify(c)
		}
		if err == nil {
			fmt.Println("ok")
		} else {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
}
