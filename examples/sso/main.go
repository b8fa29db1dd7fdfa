// Sso is a web service without passwords: an OpenID Connect provider says who somebody is, and Gatehouse adds a second
// factor of the service's own, with the Security page. Where that asks owners to confirm who they are, the provider asks
// them, and they come back.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/sso/provider"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

const (
	address = "127.0.0.1:8080"
	own     = "localhost:9090" // of the provider that comes with this: another host, as cookies know no ports
)

func main() {
	issuer := flag.String("issuer", "", "your provider; its client needs the redirect URI http://"+address+"/callback")
	id := flag.String("id", "sso", "the client's ID; its secret is in SSO_SECRET")
	flag.Parse()
	c := config{URL: "http://" + address, Issuer: *issuer, ClientID: *id, ClientSecret: os.Getenv("SSO_SECRET"), Now: time.Now}
	if c.Issuer == "" {
		c.Issuer, c.ClientSecret = "http://"+own, "secret"
		p := must(provider.New(provider.Config{
			Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.URL + "/callback", Now: c.Now,
		}))
		listener := must(net.Listen("tcp", own))
		go func() { log.Fatal(http.Serve(listener, p)) }()
	}
	svc := must(gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()}))
	handler := must(newApp(context.Background(), svc, c))
	log.Printf("Sign in at %s. Everything is forgotten at the end.", c.URL)
	log.Fatal(http.ListenAndServe(address, handler))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
