// go-spiffe's client of the Workload API: says in lines of JSON what it sees of the server at the address of its argument.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

var out = json.NewEncoder(os.Stdout)

func fail(what string, err error) {
	out.Encode(map[string]any{"error": what, "text": err.Error()})
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(c *workloadapi.X509Context) {
	var ids, serials, domains []string
	for _, s := range c.SVIDs {
		ids = append(ids, s.ID.String())
		serials = append(serials, s.Certificates[0].SerialNumber.Text(16))
	}
	for _, b := range c.Bundles.Bundles() {
		domains = append(domains, b.TrustDomain().Name())
	}
	out.Encode(map[string]any{"event": "x509", "ids": ids, "serials": serials, "domains": domains})
}

func (watcher) OnX509ContextWatchError(err error) { fail("watch", err) }

func main() {
	ctx := context.Background()
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(os.Args[1]))
	if err != nil {
		fail("new", err)
		return
	}
	defer client.Close()
	go client.WatchX509Context(ctx, watcher{})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "jwt":
			svid, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: words[1]})
			if err != nil {
				fail("jwt", err)
				continue
			}
			out.Encode(map[string]any{"event": "jwt", "id": svid.ID.String(), "token": svid.Marshal()})
		case "validate":
			svid, err := client.ValidateJWTSVID(ctx, words[1], words[2])
			if err != nil {
				fail("validate", err)
				continue
			}
			out.Encode(map[string]any{"event": "validate", "id": svid.ID.String()})
		case "bundles":
			x509, err := client.FetchX509Bundles(ctx)
			if err != nil {
				fail("x509 bundles", err)
				continue
			}
			jwt, err := client.FetchJWTBundles(ctx)
			if err != nil {
				fail("jwt bundles", err)
				continue
			}
			keys := 0
			for _, b := range jwt.Bundles() {
				keys += len(b.JWTAuthorities())
			}
			out.Encode(map[string]any{"event": "bundles", "x509": x509.Len(), "jwt": jwt.Len(), "keys": keys})
		}
	}
}
