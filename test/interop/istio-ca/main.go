// Istio's CA server, as a program for the tests of our client.
package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/multicluster"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/pki/ca"
	caserver "istio.io/istio/security/pkg/server/ca"
)

const (
	day      = 24 * time.Hour
	workload = "spiffe://cluster.local/ns/default/sa/web"
)

// Usage: istio-ca [FOLDER]. The CA is that of the FOLDER (ca-cert.pem, ca-key.pem, cert-chain.pem,
// root-cert.pem), or a self-signed one. The token `workload` is that of
// spiffe://cluster.local/ns/default/sa/web; the token `node` is that of a ztunnel, whose node has a pod of
// that account and none of default/far. The first line of output has the address; the program ends when its
// standard input closes.
func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(folders []string) error {
	quiet := log.DefaultOptions()
	quiet.OutputPaths = []string{"stderr"}
	if err := log.Configure(quiet); err != nil {
		return err
	}
	authority, err := open(folders)
	if err != nil {
		return err
	}
	bundle := authority.GetCAKeyCertBundle()
	certificate, key, err := authority.GenKeyCert([]string{"localhost"}, day, false)
	if err != nil {
		return err
	}
	own, err := tls.X509KeyPair(append(certificate, bundle.GetCertChainPem()...), key)
	if err != nil {
		return err
	}
	clusters := multicluster.NewFakeController()
	service, err := caserver.New(authority, day, []security.Authenticator{tokens{}}, clusters)
	if err != nil {
		return err
	}
	pods := kube.NewFakeClient(
		pod("istio-system", "ztunnel", "node-1"), pod("default", "web", "node-1"), pod("default", "far", "node-2"))
	stop := make(chan struct{})
	clusters.Add("Kubernetes", pods, stop)
	pods.RunAndWait(stop)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own},
		MinVersion:   tls.VersionTLS12,
	})))
	service.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"port": listener.Addr().(*net.TCPAddr).Port,
		"root": string(bundle.GetRootCertPem()),
	}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return server.Serve(listener)
}

func open(folders []string) (*ca.IstioCA, error) {
	if len(folders) == 0 {
		options, err := ca.NewSelfSignedDebugIstioCAOptions("", 365*day, day, 90*day, "cluster.local", 2048)
		if err != nil {
			return nil, err
		}
		return ca.NewIstioCA(options)
	}
	file := func(name string) string { return filepath.Join(folders[0], name) }
	options, err := ca.NewPluggedCertIstioCAOptions(ca.SigningCAFileBundle{
		RootCertFile:    file("root-cert.pem"),
		CertChainFiles:  []string{file("cert-chain.pem")},
		SigningCertFile: file("ca-cert.pem"),
		SigningKeyFile:  file("ca-key.pem"),
	}, day, 90*day, 2048)
	if err != nil {
		return nil, err
	}
	return ca.NewIstioCA(options)
}

func pod(namespace, account, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account + "-0", UID: types.UID("uid-" + account)},
		Spec:       corev1.PodSpec{ServiceAccountName: account, NodeName: node},
	}
}

// tokens authenticates the two callers.
type tokens struct{}

func (tokens) AuthenticatorType() string { return "tokens" }

func (tokens) Authenticate(caller security.AuthContext) (*security.Caller, error) {
	for _, header := range caller.Header("authorization") {
		switch strings.TrimPrefix(header, "Bearer ") {
		case "workload":
			return &security.Caller{AuthSource: security.AuthSourceIDToken, Identities: []string{workload}}, nil
		case "node":
			return &security.Caller{
				AuthSource: security.AuthSourceIDToken,
				Identities: []string{"spiffe://cluster.local/ns/istio-system/sa/ztunnel"},
				KubernetesInfo: security.KubernetesInfo{
					PodName: "ztunnel-0", PodNamespace: "istio-system", PodUID: "uid-ztunnel",
					PodServiceAccount: "ztunnel",
				},
			}, nil
		}
	}
	return nil, errors.New("no such token")
}
