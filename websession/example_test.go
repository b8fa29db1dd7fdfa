package websession_test

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

// Owners see where they are signed in, and sign out a browser that they do not know.
func ExampleNewDirectory() {
	serve := func(svc *gatehouse.Service, c websession.Config, rows websession.Index) (http.Handler, error) {
		sessions, err := websession.NewDirectory(svc, rows, 30*24*time.Hour) // as long as your own sessions last unused
		if err != nil {
			return nil, err
		}
		c.Noter = sessions
		web, err := websession.New(c)
		if err != nil {
			return nil, err
		}
		return securitypage.New(securitypage.Config{Web: web, Name: "Acme", Sessions: sessions})
	}
	_ = serve
}
